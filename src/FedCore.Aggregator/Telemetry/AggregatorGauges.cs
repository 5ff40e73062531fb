using System.Diagnostics.Metrics;
using FedCore.Aggregator.Journal;
using FedCore.Aggregator.Runs;
using FedCore.Aggregator.Storage;
using FedCore.Protocol.V1;

namespace FedCore.Aggregator.Telemetry;

/// <summary>What an aggregator holds and has done, looked up whenever somebody asks.</summary>
internal static class AggregatorGauges
{
    /// <summary>Adds the instruments to the aggregator's meter.</summary>
    /// <param name="parts">What the aggregator's runs share.</param>
    /// <param name="runs">The runs.</param>
    /// <param name="journal">The journal.</param>
    /// <param name="disk">Counts what was made durable.</param>
    /// <param name="folder">The data folder.</param>
    public static void Add(AggregatorParts parts, RunDirectory runs, EventLog journal, Disk disk, string folder)
    {
        Meter meter = parts.Metrics.Meter;
        meter.CreateObservableGauge("fedcore.sites", () => parts.Sites.All.Count, "{site}", "Sites that may join.");
        meter.CreateObservableGauge("fedcore.sites.connected", () => parts.Sites.All.Count(site => site.IsPresent), "{site}", "Sites that are connected.");
        meter.CreateObservableGauge("fedcore.runs", () => CountPhases(runs), "{run}", "Runs, by phase.");
        meter.CreateObservableGauge("fedcore.tasks.open", () => parts.Board.All.Count(task => task.IsOpen), "{task}", "Tasks that sites owe an answer to.");
        meter.CreateObservableGauge("fedcore.spool.size", () => parts.Spool.BytesOnDisk, "By", "Bytes of updates on the disk.");
        meter.CreateObservableGauge("fedcore.disk.free", () => Disk.FreeBytes(folder) is { } free ? [new Measurement<long>(free)] : (Measurement<long>[])[], "By", "Bytes that are free on the disk of the data folder.");
        meter.CreateObservableCounter("fedcore.disk.syncs", () => disk.Syncs, "{sync}", "How often something was made durable.");
        meter.CreateObservableCounter("fedcore.journal.events", () => journal.Appended, "{event}", "Facts that the journal has kept.");
        meter.CreateObservableCounter("fedcore.journal.commits", () => journal.Commits, "{commit}", "Transactions that the journal has committed.");
    }

    // All phases, so that one that has become empty is seen to be.
    private static IEnumerable<Measurement<int>> CountPhases(RunDirectory runs)
    {
        ILookup<RunPhase, RunHost> byPhase = runs.All.ToLookup(run => run.Describe().Phase);
        return Enum.GetValues<RunPhase>().Where(phase => phase != RunPhase.Unspecified)
            .Select(phase => new Measurement<int>(byPhase[phase].Count(), new KeyValuePair<string, object?>("fedcore.run.phase", phase.ToString().ToLowerInvariant())));
    }
}
