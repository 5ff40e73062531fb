using FedCore.Naming;
using FedCore.Privacy;
using FedCore.Rounds;
using FedCore.Rounds.Privacy;
using FedCore.Rounds.Selection;
using FedCore.Strategies;

namespace FedCore.Simulation.Tests;

/// <summary>
/// DP-FedAvg (McMahan et al. 2018) on real data: the 2NN on MNIST, 1,000 clients of 60 examples, 100 rounds of about 100 of them, at delta 1e-5. What is asked for is what this project set out to reach.
/// </summary>
public class PrivateMnistTests
{
    private const int Seeds = 3;

    [Fact]
    [Trait("Category", "Slow")]
    public async Task Amplified_central_noise_at_epsilon_8_leaves_91_percent()
    {
        var privacy = new PrivacyPolicy { Clip = 0.5, NoiseMultiplier = 0.998, Epsilon = 8, Delta = 1e-5, Amplification = true, PublicEvaluation = true };
        double[] accuracies = await RunAsync(privacy, new RoundPolicy { Count = 100, Cohort = new PoissonSelection { Rate = 0.1 }, MinimumReports = 1 }, null, PrivacyAdversary.Recipients, 8);
        Assert.All(accuracies, accuracy => Assert.InRange(accuracy, 0.91, 1));
    }

    // The closed form puts z = 6 and 100 rounds at 8.004. Shared noise is added up by Renyi divergences, which show 8.603 of the same noise;
    // their epsilon 8 takes z = 6.377. With all of 100 clients there it is wider than it must be: 85 of them share it, in case that 10 vanish and 5 are the adversary's.
    [Fact]
    [Trait("Category", "Slow")]
    public async Task Unamplified_noise_leaves_85_percent_whoever_adds_it()
    {
        var privacy = new PrivacyPolicy { Clip = 0.1, NoiseMultiplier = 6, Delta = 1e-5, PublicEvaluation = true };
        var rounds = new RoundPolicy { Count = 100, Cohort = new UniformSelection { Size = 100 } };
        double[] central = await RunAsync(privacy, rounds, null, PrivacyAdversary.Recipients, 8.01), distributed = await RunAsync(privacy, rounds, new SecureAggregationPolicy { MinimumCohort = 50, MaximumDropout = 0.1 }, PrivacyAdversary.Aggregator, 8.61);
        Assert.All(central.Concat(distributed), accuracy => Assert.InRange(accuracy, 0.85, 1));
        Assert.InRange(central.Average() - distributed.Average(), -0.01, 0.01);
    }

    private static async Task<double[]> RunAsync(PrivacyPolicy privacy, RoundPolicy rounds, SecureAggregationPolicy? secure, PrivacyAdversary against, double epsilon)
    {
        double[] accuracies = new double[Seeds];
        for (int seed = 1; seed <= Seeds; seed++)
        {
            RunPlan plan = RunPlan.Create(
                new RunDefinition
                {
                    Name = "private mnist 2NN",
                    Seed = seed,
                    Model = Mnist.TwoLayers,
                    Strategy = new FedAvg(),
                    Training = new TrainingPlan { Epochs = 5, BatchSize = 10, LearningRate = 0.05, WeightBy = WeightBy.Uniform },
                    Rounds = rounds,
                    Privacy = privacy,
                    SecureAggregation = secure,
                    Evaluation = new EvaluationPlan { Every = rounds.Count },
                },
                Registry.CreateDefault().AddSimulation());
            Assert.InRange(plan.Privacy!.PlannedEpsilon(against, rounds.Count), 0.8 * epsilon, epsilon);
            using SimulationResult result = await Mnist.RunAsync(plan, 1000);
            accuracies[seed - 1] = result.Metrics["accuracy"];
        }

        TestContext.Current.TestOutputHelper!.WriteLine($"z {privacy.NoiseMultiplier}, clip {privacy.Clip}, {(secure is null ? "central" : "distributed")}: {string.Join(" ", accuracies)}");
        return accuracies;
    }
}
