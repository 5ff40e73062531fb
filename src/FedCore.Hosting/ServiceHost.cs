using FedCore.Hosting.Telemetry;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace FedCore.Hosting;

/// <summary>A program that runs until it is told to stop: by a signal, by systemd or by Windows where it is a service of theirs, or by its caller.</summary>
internal static class ServiceHost
{
    /// <summary>A host without services yet.</summary>
    /// <param name="name">The name of the Windows service.</param>
    /// <param name="log">Receives the log, a line per message.</param>
    public static HostApplicationBuilder CreateBuilder(string name, TextWriter log)
    {
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });

        // What keeps a host from starting is thrown, and need not be told twice.
        builder.Logging.AddProvider(new LineLogger(log, TimeProvider.System)).SetMinimumLevel(LogLevel.Information)
            .AddFilter("Microsoft", LogLevel.Warning).AddFilter("Microsoft.Extensions.Hosting", LogLevel.None)

            // Its log is an activity for every call, which nobody sees.
            .AddFilter("Microsoft.AspNetCore.Hosting.Diagnostics", LogLevel.None);
        builder.Services.AddSystemd().AddWindowsService(options => options.ServiceName = name);
        return builder;
    }

    /// <summary>Runs a host until it is told to stop.</summary>
    /// <returns>0 when it has stopped.</returns>
    public static async Task<int> RunAsync(IHost host, CancellationToken ct)
    {
        try
        {
            await host.StartAsync(ct).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (ct.IsCancellationRequested)
        {
            // Who is told to stop while it starts, as right behind the line that says that it serves, has done so.
            await host.StopAsync(CancellationToken.None).ConfigureAwait(false);
            return 0;
        }

        await host.WaitForShutdownAsync(ct).ConfigureAwait(false);

        // Their faults are this program's.
        foreach (BackgroundService service in host.Services.GetServices<IHostedService>().OfType<BackgroundService>())
            if (service.ExecuteTask is { } work) await work.ConfigureAwait(false);
        return 0;
    }
}
