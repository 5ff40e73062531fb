using FedCore.Aggregator.Settings;
using FedCore.Hosting;
using FedCore.Hosting.Settings;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace FedCore.Aggregator.Hosting;

/// <summary>The aggregator as a program of its own.</summary>
public static class AggregatorHost
{
    /// <summary>Runs an aggregator until it is told to stop, by a signal or by the caller.</summary>
    /// <param name="file">The settings file; null for <c>appsettings.json</c>, which need not be there.</param>
    /// <param name="assignments">Settings that are others than in the file or the environment, as <c>path=value</c>.</param>
    /// <param name="output">Is told the addresses, once it serves.</param>
    /// <param name="log">Receives the log, a line per message.</param>
    /// <param name="ct">Tells the aggregator to stop.</param>
    /// <returns>0 when it has stopped.</returns>
    /// <exception cref="FedCoreException">The settings are wrong (exit code 2 or 3), or something that it needs cannot be reached (4).</exception>
    public static async Task<int> RunAsync(string? file, IReadOnlyList<string> assignments, TextWriter output, TextWriter log, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(assignments);
        ArgumentNullException.ThrowIfNull(output);
        ArgumentNullException.ThrowIfNull(log);
        ReadSettings<AggregatorSettings> read = AggregatorSettings.Read(file, SettingsReader.ProcessEnvironment, assignments);
        HostApplicationBuilder builder = ServiceHost.CreateBuilder("FedCore aggregator", log);
        builder.Services.AddHostedService(services => new AggregatorService(read, output, services.GetRequiredService<ILoggerFactory>()));
        using IHost host = builder.Build();
        return await ServiceHost.RunAsync(host, ct).ConfigureAwait(false);
    }
}
