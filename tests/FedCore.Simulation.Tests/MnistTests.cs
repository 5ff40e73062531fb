using FedCore.Naming;
using FedCore.Rounds;
using FedCore.Rounds.Selection;
using FedCore.Strategies;

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
            using SimulationResult result = await Mnist.RunAsync(plan, 100);
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
            Model = Mnist.TwoLayers,
            Strategy = new FedAvg(),
            Training = new TrainingPlan { Epochs = 1, BatchSize = 10, LearningRate = 0.1 },
            Rounds = new RoundPolicy { Count = 150, Cohort = new UniformSelection { Fraction = 0.1 } },
            Stop = new StopRule { Metric = "accuracy", AtLeast = 0.97 },
        },
        Registry.CreateDefault().AddSimulation());
}
