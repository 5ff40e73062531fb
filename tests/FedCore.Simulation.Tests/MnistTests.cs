using FedCore.Models;
using FedCore.Models.Layers;
using FedCore.Models.Losses;
using FedCore.Naming;
using FedCore.Rounds;
using FedCore.Rounds.Selection;
using FedCore.Strategies;
using FedCore.Tests;
using FedCore.Training.Data;
using FedCore.Training.Data.Datasets;
using FedCore.Training.Data.Idx;
using FedCore.Training.Partitioning;

namespace FedCore.Simulation.Tests;

public class MnistTests
{
    // McMahan et al. 2017, table 2: the 2NN with C = 0.1, B = 10, E = 1 on IID data takes 87 rounds to 97 %.
    [Fact]
    [Trait("Category", "Slow")]
    public async Task The_2NN_reaches_97_percent_within_75_rounds_on_average_over_three_seeds()
    {
        var rounds = new List<int>();
        for (int seed = 1; seed <= 3; seed++)
        {
            RunPlan plan = Plan(seed);
            var folders = new DataFolders(".", SharedData.Require("data/mnist"), new DatasetStore());
            DataPool pool = await new IdxSource().LoadAsync(new DataRequest(plan, folders), TestContext.Current.CancellationToken);
            IFederatedData data = FederatedSimulation.Deal(plan, pool, new IidPartitioner { Clients = 100 });
            using SimulationResult result = await FederatedSimulation.RunAsync(plan, data, ct: TestContext.Current.CancellationToken);
            Assert.Equal(RunEnded.TargetReached, result.End.Code);
            rounds.Add(result.State.LastRound);
        }

        TestContext.Current.SendDiagnosticMessage($"rounds to 97 %: {string.Join(" ", rounds)}");
        Assert.InRange(rounds.Average(), 1, 75);
    }

    private static RunPlan Plan(long seed) => RunPlan.Create(
        new RunDefinition
        {
            Name = "mnist 2NN",
            Seed = seed,
            Model = new ModelSpec
            {
                Input = [784],
                Layers = [new LinearSpec { Outputs = 200 }, new ReluSpec(), new LinearSpec { Outputs = 200 }, new ReluSpec(), new LinearSpec { Outputs = 10 }],
                Loss = new SoftmaxCrossEntropySpec(),
            },
            Strategy = new FedAvg(),
            Training = new TrainingPlan { Epochs = 1, BatchSize = 10, LearningRate = 0.1 },
            Rounds = new RoundPolicy { Count = 150, Cohort = new UniformSelection { Fraction = 0.1 } },
            Stop = new StopRule { Metric = "accuracy", AtLeast = 0.97 },
        },
        Registry.CreateDefault().AddSimulation());
}
