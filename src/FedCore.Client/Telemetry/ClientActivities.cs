using System.Diagnostics;

namespace FedCore.Client.Telemetry;

/// <summary>The client's activities, of the source <c>FedCore</c>.</summary>
internal static class ClientActivities
{
    private static readonly ActivitySource Source = new("FedCore");

    /// <summary>The work on a task, from its offer to its answer.</summary>
    public static Activity? StartTask(string kind, string run, int round) =>
        Source.StartActivity("fedcore.client.task")?.SetTag("fedcore.task.kind", kind).SetTag("fedcore.run", run).SetTag("fedcore.round", round);
}
