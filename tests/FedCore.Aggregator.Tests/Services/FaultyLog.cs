using System.Collections.Concurrent;
using FedCore.Aggregator.Journal;

namespace FedCore.Aggregator.Tests.Services;

/// <summary>A journal that loses events when a test says so. As with a real one, a stream that lost an event takes no other until it has been read.</summary>
internal sealed class FaultyLog(IEventLog inner) : IEventLog
{
    private readonly ConcurrentDictionary<string, bool> _broken = new();

    /// <summary>Whether an event, by its stream and kind, is lost.</summary>
    public Func<string, string, bool> Loses { get; set; } = (_, _) => false;

    /// <summary>Whether a stream cannot be read.</summary>
    public Func<string, bool> Hides { get; set; } = _ => false;

    /// <summary>What the reading of a stream waits for.</summary>
    public Func<string, Task> Waits { get; set; } = _ => Task.CompletedTask;

    public long Commits => inner.Commits;

    public async IAsyncEnumerable<LoggedEvent> ReadAsync(string stream, long after, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken ct)
    {
        await Waits(stream);
        if (Hides(stream)) throw FedCoreException.RunFailed("journal.read", $"The stream {stream} cannot be read.");
        await foreach (LoggedEvent logged in inner.ReadAsync(stream, after, ct)) yield return logged;
        if (after == 0) _broken.TryRemove(stream, out _);
    }

    public ValueTask AppendAsync(string stream, string kind, string json, Durability durability, CancellationToken ct)
    {
        if (_broken.ContainsKey(stream)) throw FedCoreException.RunFailed(EventLog.Broken, $"The stream {stream} lost an event.");
        if (!Loses(stream, kind)) return inner.AppendAsync(stream, kind, json, durability, ct);
        _broken[stream] = true;
        throw FedCoreException.RunFailed(EventLog.Lost, $"The event {kind} of the stream {stream} was lost.");
    }

    public ValueTask<IReadOnlyList<string>> ListAsync(string prefix, CancellationToken ct) => inner.ListAsync(prefix, ct);

    public ValueTask DisposeAsync() => inner.DisposeAsync();
}
