using System.Diagnostics.Metrics;
using FedCore.Hosting.Telemetry;

namespace FedCore.Client.Telemetry;

/// <summary>The client's instruments, of the meter <c>FedCore</c>.</summary>
internal static class ClientMeter
{
    private static readonly Meter Meter = new(FedCoreTelemetry.Name);

    /// <summary>How long tasks took, with what kind they were and what became of them.</summary>
    public static readonly Histogram<double> TaskDuration = Meter.CreateHistogram<double>("fedcore.client.task.duration", "s", "Time from a task's offer to its answer in the outbox.");

    /// <summary>Bytes of updates.</summary>
    public static readonly Counter<long> Uploaded = Meter.CreateCounter<long>("fedcore.client.upload.size", "By", "Bytes of updates that were sent, again and again where they had to be.");

    /// <summary>Bytes of models and what goes with them.</summary>
    public static readonly Counter<long> Downloaded = Meter.CreateCounter<long>("fedcore.client.download.size", "By", "Bytes of definitions, models and vectors that came.");

    /// <summary>Tasks that were declined, with the reason.</summary>
    public static readonly Counter<long> Declined = Meter.CreateCounter<long>("fedcore.client.task.declined", "{task}", "Tasks that the client did not do.");
}
