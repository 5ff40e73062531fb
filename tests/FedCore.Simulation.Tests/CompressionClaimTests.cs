using FedCore.Compression.Formats;
using FedCore.Compression.Sparsifiers;
using FedCore.Rounds;
using FedCore.Rounds.Selection;
using FedCore.Updates;

namespace FedCore.Simulation.Tests;

/// <summary>What fewer bytes cost: the 2NN on Fashion-MNIST, 100 clients with 600 images each dealt out evenly, 10 of them a round, 50 rounds, three seeds.</summary>
[Trait("Category", "Slow")]
public class CompressionClaimTests
{
    private const int Seeds = 3, Rounds = 50;

    // The claim is on 4 bits. The others are there to be compared.
    [Fact]
    public async Task Four_bits_take_a_seventh_of_the_bytes_and_cost_at_most_a_point()
    {
        (double whole, double wholeBytes) = await RunAsync([]);
        (double accuracy, double bytes) = await RunAsync([new Int4()]);
        TestContext.Current.SendDiagnosticMessage($"4 bits: {accuracy:F4} against {whole:F4}, {bytes / wholeBytes:P2} of the bytes");
        Assert.InRange(bytes / wholeBytes, 0, 0.14);
        Assert.True(accuracy >= whole - 0.01, $"{accuracy:F4} against {whole:F4}");
    }

    [Fact]
    public async Task A_hundredth_of_the_numbers_with_error_feedback_costs_at_most_three_points()
    {
        (double whole, double wholeBytes) = await RunAsync([]);
        (double accuracy, double bytes) = await RunAsync([new TopK { Share = 0.01 }]);
        TestContext.Current.SendDiagnosticMessage($"top 1 %: {accuracy:F4} against {whole:F4}, {bytes / wholeBytes:P2} of the bytes");
        Assert.InRange(bytes / wholeBytes, 0, 0.015);
        Assert.True(accuracy >= whole - 0.03, $"{accuracy:F4} against {whole:F4}");
    }

    private static async Task<(double Accuracy, double Bytes)> RunAsync(IUpdateTransform[] transforms)
    {
        double accuracy = 0, bytes = 0;
        for (int seed = 1; seed <= Seeds; seed++)
        {
            RunPlan plan = FashionMnist.Plan(
                new TrainingPlan { Epochs = 1, BatchSize = 10, LearningRate = 0.05 }, new RoundPolicy { Count = Rounds, Cohort = new UniformSelection { Fraction = 0.1 } }, seed,
                run => run with { Transforms = transforms, Evaluation = new EvaluationPlan { Every = Rounds } });
            using SimulationResult result = await FashionMnist.RunAsync(plan, 100);
            accuracy += result.Metrics["accuracy"] / Seeds;
            bytes += result.State.Rounds.Sum(round => (double)round.BytesUp);
        }

        return (accuracy, bytes);
    }
}
