using FedCore.Client.Settings;
using FedCore.Client.Telemetry;
using FedCore.Hosting;
using FedCore.Hosting.Settings;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace FedCore.Client;

/// <summary>The client as a program of its own.</summary>
public static class ClientHost
{
    /// <summary>Runs a client until it is told to stop, by a signal or by the caller.</summary>
    /// <param name="args">The settings file, <c>appsettings.json</c> where none is named, and <c>--set path=value</c> for settings that are others.</param>
    /// <param name="output">Receives the log, a line per message.</param>
    /// <param name="ct">Tells the client to stop.</param>
    /// <returns>0 when it has stopped.</returns>
    /// <exception cref="FedCoreException">The arguments or the settings are wrong, or the aggregator does not let the client in (exit code 2 or 3); or it cannot be
    /// reached, another client of the site is there, or the disk has no room (4).</exception>
    public static Task<int> RunAsync(string[] args, TextWriter output, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(args);
        string? file = null;
        var assignments = new List<string>();
        for (int i = 0; i < args.Length; i++)
        {
            if (args[i] == "--set" && i + 1 < args.Length) assignments.Add(args[++i]);
            else if (args[i].StartsWith('-') || file is not null)
                throw new FedCoreException(FaultKind.Usage, "client.usage", $"'{Shown.Of(args[i])}' is not known here. Write: [SETTINGS.json] [--set path=value]...");
            else file = args[i];
        }

        return RunAsync(file, assignments, output, ct);
    }

    /// <inheritdoc cref="RunAsync(string[], TextWriter, CancellationToken)"/>
    /// <param name="file">The settings file; null for <c>appsettings.json</c>, which need not be there.</param>
    /// <param name="assignments">Settings that are others than in the file or the environment, as <c>path=value</c>.</param>
    /// <param name="output">Receives the log, a line per message.</param>
    /// <param name="ct">Tells the client to stop.</param>
    public static async Task<int> RunAsync(string? file, IReadOnlyList<string> assignments, TextWriter output, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(assignments);
        ArgumentNullException.ThrowIfNull(output);
        ReadSettings<ClientSettings> read = ClientSettings.Read(file, SettingsReader.ProcessEnvironment, assignments);
        HostApplicationBuilder builder = ServiceHost.CreateBuilder("FedCore client", output);
        builder.Services.AddClient(read);
        using IHost host = builder.Build();
        foreach (string warning in read.Settings.Limits.Apply()) host.Services.GetRequiredService<ILogger<ClientService>>().LimitNotApplied(warning);
        return await ServiceHost.RunAsync(host, ct).ConfigureAwait(false);
    }
}
