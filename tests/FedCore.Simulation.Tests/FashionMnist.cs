using FedCore.Models;
using FedCore.Models.Layers;
using FedCore.Models.Losses;
using FedCore.Naming;
using FedCore.Rounds;
using FedCore.Strategies;
using FedCore.Training.Data;
using FedCore.Training.Data.Datasets;
using FedCore.Training.Data.Idx;
using FedCore.Training.Partitioning;

namespace FedCore.Simulation.Tests;

/// <summary>The 2NN of McMahan et al. 2017 on Fashion-MNIST, dealt out evenly: what claims about algorithms are measured on. Skips where the images are absent.</summary>
internal static class FashionMnist
{
    private static readonly Registry Names = Registry.CreateDefault().AddSimulation();

    public static RunPlan Plan(TrainingPlan training, RoundPolicy rounds, long seed, Func<RunDefinition, RunDefinition>? change = null)
    {
        var definition = new RunDefinition
        {
            Name = "fashion-mnist 2NN",
            Seed = seed,
            Model = new ModelSpec
            {
                Input = [784],
                Layers = [new LinearSpec { Outputs = 200 }, new ReluSpec(), new LinearSpec { Outputs = 200 }, new ReluSpec(), new LinearSpec { Outputs = 10 }],
                Loss = new SoftmaxCrossEntropySpec(),
            },
            Strategy = new FedAvg(),
            Training = training,
            Rounds = rounds,
        };
        return RunPlan.Create(change?.Invoke(definition) ?? definition, Names);
    }

    public static async Task<SimulationResult> RunAsync(RunPlan plan, int clients, SimulationOptions? options = null)
    {
        Assert.SkipUnless(
            File.Exists("/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz"),
            "Fashion-MNIST is not installed. On Debian: apt-get install dataset-fashion-mnist");
        CancellationToken ct = TestContext.Current.CancellationToken;
        DataPool pool = await new IdxSource { Dataset = "fashion-mnist" }.LoadAsync(new DataRequest(plan, new DataFolders(".", null, new DatasetStore())), ct);
        return await FederatedSimulation.RunAsync(plan, FederatedSimulation.Deal(plan, pool, new IidPartitioner { Clients = clients }), options, ct);
    }
}
