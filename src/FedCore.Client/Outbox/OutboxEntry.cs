using System.Diagnostics.CodeAnalysis;
using FedCore.Client.Connection;

namespace FedCore.Client.Outbox;

/// <summary>An update that was finished and is on its way.</summary>
[SuppressMessage("Design", "CA1001", Justification = "Its source of cancellation has neither a timer nor a handle, and may be used from another thread to the last.")]
internal sealed class OutboxEntry
{
    private readonly TimeProvider _clock;
    private readonly TimeSpan _age;
    private readonly long _since;
    private readonly CancellationTokenSource _unwanted = new();
    private long _due;

    /// <param name="record">What is written down of it.</param>
    /// <param name="folder">Its folder.</param>
    /// <param name="clock">The clock. One that was set between two starts makes no update younger than it is in this one.</param>
    public OutboxEntry(UpdateRecord record, string folder, TimeProvider clock)
    {
        (Record, Folder, _clock, _since, Backoff) = (record, folder, clock, clock.GetTimestamp(), new Backoff(clock));
        _due = _since;
        TimeSpan age = clock.GetUtcNow() - record.Finished;
        _age = age > TimeSpan.Zero ? age : TimeSpan.Zero;
    }

    public UpdateRecord Record { get; }

    public string Folder { get; set; }

    /// <summary>The update's bytes.</summary>
    public string UpdateFile => Path.Combine(Folder, UpdateOutbox.UpdateFile);

    /// <summary>How long it has waited.</summary>
    public TimeSpan Age => _age + _clock.GetElapsedTime(_since);

    /// <summary>Cancelled when nobody waits for it any more.</summary>
    public CancellationToken Unwanted => _unwanted.Token;

    /// <summary>Whether the aggregator may have some of it already: an earlier process, or an earlier call, may have sent it.</summary>
    public bool MayBeThere { get; set; }

    /// <summary>Whether some of it came through since it last failed.</summary>
    public bool HasMoved { get; set; }

    /// <summary>How often the aggregator has refused it.</summary>
    public int Refusals { get; set; }

    /// <summary>How long to wait after what went wrong with this update alone.</summary>
    public Backoff Backoff { get; }

    /// <summary>How long from now it is not to be sent; at most zero where it is to be.</summary>
    public TimeSpan Delay
    {
        get => _clock.GetElapsedTime(_clock.GetTimestamp(), Volatile.Read(ref _due));
        set => Volatile.Write(ref _due, _clock.GetTimestamp() + (long)(value.TotalSeconds * _clock.TimestampFrequency));
    }

    public void MarkUnwanted() => _unwanted.Cancel();
}
