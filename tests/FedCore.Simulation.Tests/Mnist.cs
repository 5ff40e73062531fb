using FedCore.Models;
using FedCore.Models.Layers;
using FedCore.Models.Losses;
using FedCore.Rounds;
using FedCore.Tests;
using FedCore.Training.Data;
using FedCore.Training.Data.Datasets;
using FedCore.Training.Data.Idx;
using FedCore.Training.Partitioning;

namespace FedCore.Simulation.Tests;

/// <summary>MNIST, dealt out evenly, and the 200-200 network of McMahan et al. 2017 (the 2NN).</summary>
internal static class Mnist
{
    public static ModelSpec TwoLayers { get; } = new()
    {
        Input = [784],
        Layers = [new LinearSpec { Outputs = 200 }, new ReluSpec(), new LinearSpec { Outputs = 200 }, new ReluSpec(), new LinearSpec { Outputs = 10 }],
        Loss = new SoftmaxCrossEntropySpec(),
    };

    /// <summary>Holds a run; the calling test is skipped where the images are absent.</summary>
    public static async Task<SimulationResult> RunAsync(RunPlan plan, int clients)
    {
        var folders = new DataFolders(".", SharedData.Require("data/mnist"), new DatasetStore());
        DataPool pool = await new IdxSource().LoadAsync(new DataRequest(plan, folders), TestContext.Current.CancellationToken);
        return await FederatedSimulation.RunAsync(plan, FederatedSimulation.Deal(plan, pool, new IidPartitioner { Clients = clients }), ct: TestContext.Current.CancellationToken);
    }
}
