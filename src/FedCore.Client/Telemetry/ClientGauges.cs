using System.Diagnostics.Metrics;
using FedCore.Client.Connection;
using FedCore.Client.Outbox;
using FedCore.Hosting.Telemetry;

namespace FedCore.Client.Telemetry;

/// <summary>How a client stands, looked up whenever somebody asks.</summary>
internal sealed class ClientGauges : IDisposable
{
    private readonly Meter _meter = new(FedCoreTelemetry.Name);

    public ClientGauges(Session session, UpdateOutbox outbox)
    {
        _meter.CreateObservableGauge("fedcore.client.joined", () => session.IsJoined ? 1 : 0, "{connection}", "Whether the aggregator knows of the client: 1, or 0 while the connection is lost.");
        _meter.CreateObservableGauge("fedcore.client.outbox.updates", () => outbox.Count, "{update}", "Updates that wait to be sent.");
    }

    public void Dispose() => _meter.Dispose();
}
