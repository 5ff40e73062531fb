using FedCore.Naming;
using FedCore.Training.Data;
using FedCore.Training.Data.Csv;
using FedCore.Training.Data.Idx;
using FedCore.Training.Engine;
using FedCore.Training.Partitioning;

namespace FedCore.Training;

/// <summary>The names that the training side adds to a registry.</summary>
public static class TrainingNames
{
    /// <summary>Adds data sources, generators, partitioners and trainers.</summary>
    /// <param name="registry">The registry.</param>
    /// <returns>The registry.</returns>
    public static Registry AddTraining(this Registry registry)
    {
        ArgumentNullException.ThrowIfNull(registry);
        return registry
            .Register<IDataSource, CsvSource>("csv")
            .Register<IDataSource, IdxSource>("idx")
            .Register<IClientGenerator, SyntheticClients>("synthetic")
            .Register<IPartitioner, IidPartitioner>("iid")
            .Register<IPartitioner, DirichletPartitioner>("dirichlet")
            .Register<IPartitioner, ShardPartitioner>("shards")
            .Register<IPartitioner, QuantityPartitioner>("quantity")
            .Register<IPartitioner, NaturalPartitioner>("natural")
            .Register<ITrainer, EmbeddedTrainer>("embedded");
    }
}
