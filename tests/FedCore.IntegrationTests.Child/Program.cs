using System.Diagnostics;
using System.Runtime.CompilerServices;
using FedCore.Aggregator.Hosting;
using FedCore.Aggregator.Journal;
using FedCore.Aggregator.Settings;
using FedCore.Naming;

// What tests start in order to kill it: an aggregator that kills itself, as SIGKILL does, when its journal has kept an event of a kind for the n-th time: FOLDER ADDRESS [KIND N].
string[] arguments = args;
var settings = new AggregatorSettings { DataFolder = arguments[0], Listen = [arguments[1]] };
var seams = arguments.Length < 4 ? new AggregatorSeams() : new AggregatorSeams { Wrap = log => new DeadlyLog(log, arguments[2], int.Parse(arguments[3], System.Globalization.CultureInfo.InvariantCulture)) };
await using AggregatorServer server = await AggregatorServer.StartAsync(settings, Registry.CreateDefault(), null, seams, CancellationToken.None);
Console.WriteLine("ready");
await Task.Delay(Timeout.Infinite);

/// <summary>A journal that ends its process.</summary>
internal sealed class DeadlyLog(IEventLog inner, string kind, int count) : IEventLog
{
    private int _left = count;

    public long Commits => inner.Commits;

    public async IAsyncEnumerable<LoggedEvent> ReadAsync(string stream, long after, [EnumeratorCancellation] CancellationToken ct)
    {
        await foreach (LoggedEvent logged in inner.ReadAsync(stream, after, ct)) yield return logged;
    }

    public async ValueTask AppendAsync(string stream, string eventKind, string json, Durability durability, CancellationToken ct)
    {
        bool isLast = eventKind == kind && Interlocked.Decrement(ref _left) == 0;
        await inner.AppendAsync(stream, eventKind, json, isLast ? Durability.Now : durability, ct);
        if (isLast) Process.GetCurrentProcess().Kill();
    }

    public ValueTask<IReadOnlyList<string>> ListAsync(string prefix, CancellationToken ct) => inner.ListAsync(prefix, ct);

    public ValueTask DisposeAsync() => inner.DisposeAsync();
}
