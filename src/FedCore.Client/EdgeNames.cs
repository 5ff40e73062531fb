using FedCore.Client.Data;
using FedCore.Naming;
using FedCore.Training;
using FedCore.Training.Data;

namespace FedCore.Client;

/// <summary>The names that the edge adds to a registry: what a site's settings can say.</summary>
public static class EdgeNames
{
    /// <summary>Adds what the training side adds, and sources of data that a site has.</summary>
    /// <param name="registry">The registry.</param>
    /// <returns>The registry.</returns>
    public static Registry AddClient(this Registry registry)
    {
        ArgumentNullException.ThrowIfNull(registry);
        return registry.AddTraining()
            .Register<IDataSource, SqliteSource>("sqlite")
            .Register<IDataSource, PostgresSource>("postgres");
    }
}
