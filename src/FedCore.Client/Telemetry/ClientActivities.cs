using System.Diagnostics;
using FedCore.Client.Outbox;
using FedCore.Hosting.Telemetry;

namespace FedCore.Client.Telemetry;

/// <summary>The client's activities, of the source <c>FedCore</c>.</summary>
internal static class ClientActivities
{
    /// <summary>The work on a task, from its offer to its answer in the outbox.</summary>
    /// <param name="kind"><c>train</c> or <c>evaluate</c>.</param>
    /// <param name="run">The run.</param>
    /// <param name="round">The round.</param>
    /// <param name="site">The site.</param>
    /// <param name="parent">The aggregator's activity; null where it has none.</param>
    public static Activity? StartTask(string kind, string run, int round, string site, string? parent) =>
        FedCoreTelemetry.Start("fedcore.client.task", ActivityKind.Consumer, parent)?.Of(run, round).SetTag(FedCoreTelemetry.Site, site).SetTag(FedCoreTelemetry.TaskKind, kind);

    /// <summary>What the trainer does for a task.</summary>
    /// <param name="kind"><c>train</c> or <c>evaluate</c>.</param>
    /// <param name="run">The run.</param>
    /// <param name="round">The round.</param>
    public static Activity? StartWork(string kind, string run, int round) => FedCoreTelemetry.Start($"fedcore.client.{kind}", ActivityKind.Internal)?.Of(run, round);

    /// <summary>A try to send an update; it is a part of the task, though the client may have been started anew in between.</summary>
    public static Activity? StartUpload(UpdateRecord record) =>
        FedCoreTelemetry.Start("fedcore.client.upload", ActivityKind.Client, record.Activity)?.Of(record.Run, record.Round).SetTag(FedCoreTelemetry.Bytes, record.Length);
}
