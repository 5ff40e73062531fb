using FedCore.Client.Settings;
using FedCore.Hosting.Settings;
using FedCore.Naming;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;

namespace FedCore.Client;

/// <summary>The client as a part of another program.</summary>
public static class ClientServices
{
    // Beside what the running task has: to send what is finished.
    private static readonly TimeSpan EndTime = TimeSpan.FromSeconds(15);

    /// <summary>Adds a client that runs as long as the host does. A host that cannot start it, since it is not let in for example, does not start.</summary>
    /// <param name="services">The host's services.</param>
    /// <param name="settings">The settings. Their plug-ins are not loaded: register what they have in <paramref name="registry"/>. Of their limits those of memory decide
    /// which tasks are declined; the process is the host's, and is not limited.</param>
    /// <param name="registry">The names that runs may use; null for FedCore's own.</param>
    /// <returns>The services.</returns>
    public static IServiceCollection AddFedCoreClient(this IServiceCollection services, ClientSettings settings, Registry? registry = null)
    {
        ArgumentNullException.ThrowIfNull(settings);
        return services.AddClient(new ReadSettings<ClientSettings>(settings, registry ?? Registry.CreateDefault().AddClient(), [], settings.Folder));
    }

    internal static IServiceCollection AddClient(this IServiceCollection services, ReadSettings<ClientSettings> read)
    {
        ArgumentNullException.ThrowIfNull(services);
        services.TryAddSingleton(TimeProvider.System);
        services.AddSingleton(read);
        services.AddSingleton<ClientService>();
        services.AddHostedService(provider => provider.GetRequiredService<ClientService>());
        services.Configure<HostOptions>(options =>
        {
            TimeSpan needed = TimeSpan.FromSeconds(read.Settings.StopSeconds) + EndTime;
            if (options.ShutdownTimeout < needed) options.ShutdownTimeout = needed;
        });
        return services;
    }
}
