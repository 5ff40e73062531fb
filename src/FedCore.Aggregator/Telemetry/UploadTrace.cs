using System.Diagnostics;
using FedCore.Aggregator.Fleet;
using FedCore.Hosting.Telemetry;
using FedCore.Protocol.V1;
using Grpc.Core;

namespace FedCore.Aggregator.Telemetry;

/// <summary>The activity of taking an update in, which is a part of the site's own.</summary>
internal static class UploadTrace
{
    /// <summary>Starts it.</summary>
    public static Activity? Start(ServerCallContext context)
    {
        if (!FedCoreTelemetry.IsObserved) return null;

        // Without the site's, it is a part of nothing: the framework's own activities are not exported.
        Activity.Current = null;
        return FedCoreTelemetry.Start("fedcore.upload", ActivityKind.Server, context.GetHttpContext().Request.Headers.TraceParent);
    }

    /// <summary>Says what it is about.</summary>
    public static void Describe(RemoteTask task, UploadHead head) => FedCoreTelemetry.Current?.Of(task.Fleet.Run, task.Task.Round)
        .SetTag(FedCoreTelemetry.Site, task.Site.Name).SetTag(FedCoreTelemetry.Bytes, head.Length);

    /// <summary>Says that the update is durable, and was waited for.</summary>
    public static void Accepted() => FedCoreTelemetry.Current?.SetTag(FedCoreTelemetry.Outcome, "accepted");

    /// <summary>Says that it is not taken, and why.</summary>
    public static void Refused(string reason) =>
        FedCoreTelemetry.Current?.SetTag(FedCoreTelemetry.Outcome, "refused").SetTag(FedCoreTelemetry.Reason, reason).SetStatus(ActivityStatusCode.Error);
}
