using FedCore.Aggregator.Settings;
using FedCore.Aggregator.Telemetry;
using FedCore.Hosting.Settings;
using FedCore.Naming.PlugIns;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace FedCore.Aggregator.Hosting;

/// <summary>The aggregator as a part of a host: it serves when the host has started, until the host stops.</summary>
internal sealed class AggregatorService(ReadSettings<AggregatorSettings> read, TextWriter output, ILoggerFactory loggers) : IHostedService
{
    private AggregatorServer? _server;

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        ILogger logger = loggers.CreateLogger<AggregatorService>();
        foreach (LoadedPlugIn plugIn in read.PlugIns) Log.PlugInLoaded(logger, plugIn.Assembly, plugIn.Version, plugIn.Path, plugIn.Sha256);
        _server = await AggregatorServer.StartAsync(read.Settings, read.Registry, log => log.Services.Replace(ServiceDescriptor.Singleton(loggers)), cancellationToken).ConfigureAwait(false);
        await output.WriteLineAsync($"fedcore aggregator: serving {string.Join(", ", _server.Addresses)}. Stop it with Ctrl+C.").ConfigureAwait(false);
        await output.FlushAsync(cancellationToken).ConfigureAwait(false);
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        if (_server is not null) await _server.DisposeAsync().ConfigureAwait(false);
    }
}
