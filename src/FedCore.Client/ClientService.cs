using FedCore.Client.Settings;
using FedCore.Client.Telemetry;
using FedCore.Hosting.Settings;
using FedCore.Hosting.Telemetry;
using FedCore.Naming.PlugIns;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace FedCore.Client;

/// <summary>The client as a part of a host: it has joined when the host has started, and ends well when the host stops.</summary>
internal sealed class ClientService(ReadSettings<ClientSettings> read, TimeProvider clock, ILogger<ClientService> log) : BackgroundService
{
    private readonly CancellationTokenSource _hurry = new();
    private SiteClient? _client;
    private TelemetryExport? _export;

    /// <summary>The client, once it has started.</summary>
    public SiteClient Client => _client ?? throw new InvalidOperationException("The client has not started.");

    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        foreach (LoadedPlugIn plugIn in read.PlugIns) log.PlugInLoaded(plugIn.Assembly, plugIn.Version, plugIn.Path, plugIn.Sha256);
        if (TelemetryExport.CollectorOf(read.Settings.Otlp, "client.otlp") is { } collector) _export = TelemetryExport.Start("fedcore-client", collector);
        _client = await SiteClient.StartAsync(read.Settings, read.Registry, clock, log, cancellationToken).ConfigureAwait(false);
        await base.StartAsync(cancellationToken).ConfigureAwait(false);
    }

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        using CancellationTokenRegistration hurry = cancellationToken.UnsafeRegister(state => ((CancellationTokenSource)state!).Cancel(), _hurry);
        await base.StopAsync(CancellationToken.None).ConfigureAwait(false);
    }

    public override void Dispose()
    {
        base.Dispose();
        _export?.Dispose();
        _client?.Dispose();
        _hurry.Dispose();
    }

    protected override Task ExecuteAsync(CancellationToken stoppingToken) => Client.RunAsync(stoppingToken, _hurry.Token);
}
