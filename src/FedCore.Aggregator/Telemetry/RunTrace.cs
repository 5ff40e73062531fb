using System.Diagnostics;
using FedCore.Aggregator.Fleet;
using FedCore.Hosting.Telemetry;
using FedCore.Rounds;

namespace FedCore.Aggregator.Telemetry;

/// <summary>The activity of a run's open round, of which the tasks of its sites are parts.</summary>
internal sealed class RunTrace(string run)
{
    private volatile Activity? _round;

    /// <summary>What became of a round, in a word.</summary>
    public static string OutcomeOf(RoundReceipt receipt) => receipt.Committed ? "committed" : "abandoned";

    /// <summary>Takes note of a round that is open.</summary>
    public void Open(int round) => _round = FedCoreTelemetry.StartDetached("fedcore.round", ActivityKind.Internal)?.Of(run, round);

    /// <summary>Takes note of a fact of the run.</summary>
    public void Take(RunEvent fact)
    {
        if (fact is RoundOpened opened) Open(opened.Round);
        if (fact is RoundEnded { Receipt: var receipt }) Close(OutcomeOf(receipt));
    }

    /// <summary>Ends the activity of the open round.</summary>
    public void Close(string outcome)
    {
        _round?.End(outcome);
        _round = null;
    }

    /// <summary>Starts the activity of a task that goes to its site.</summary>
    public Activity? StartTask(RemoteTask task) => FedCoreTelemetry.StartDetached("fedcore.task", ActivityKind.Producer, _round?.Id)?.Of(run, task.Task.Round)
        .SetTag(FedCoreTelemetry.Site, task.Site.Name).SetTag(FedCoreTelemetry.TaskKind, TaskWire.KindOf(task.Task));
}
