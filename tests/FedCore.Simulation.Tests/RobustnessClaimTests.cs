using FedCore.Aggregation;
using FedCore.Aggregation.Robust;
using FedCore.Rounds;
using FedCore.Simulation.Poisoning;

namespace FedCore.Simulation.Tests;

/// <summary>What the rules withstand: 20 clients with 3,000 images of Fashion-MNIST each, dealt out evenly, of whom 4 send their update times -10.</summary>
[Trait("Category", "Slow")]
public class RobustnessClaimTests
{
    private const int Clients = 20, Attacking = 4, Rounds = 15;

    // The accuracy of a model that is no longer finite.
    private const double Diverged = 0;

    private static readonly Attackers Attack = new() { Clients = Attacking, Behavior = new ScaledUpdatePoisoning { Factor = -10 } };

    public static TheoryData<IAggregator> Rules =>
    [
        new CoordinateMedian(), new TrimmedMean(), new Krum(), new MultiKrum(), new Bulyan(), new GeometricMedian(), new NormClipping(),
    ];

    [Fact]
    public async Task The_mean_collapses()
    {
        double attacked = await AccuracyAsync(new WeightedMean(), Attack);
        TestContext.Current.SendDiagnosticMessage($"WeightedMean: {(attacked == Diverged ? "diverged" : $"{attacked:F4}")} with the attack");
        Assert.InRange(attacked, Diverged, 0.3);
    }

    [Theory]
    [MemberData(nameof(Rules))]
    public async Task A_rule_that_tolerates_a_fifth_stays_within_3_points_of_its_accuracy_without_attack(IAggregator rule)
    {
        double clean = await AccuracyAsync(rule, null), attacked = await AccuracyAsync(rule, Attack);
        TestContext.Current.SendDiagnosticMessage($"{rule.GetType().Name}: {clean:F4} without attack, {attacked:F4} with it");
        Assert.True(attacked >= clean - 0.03, $"{clean:F4} without attack, {attacked:F4} with it");
        Assert.True(clean > 0.7, $"{clean:F4} without attack");
    }

    private static async Task<double> AccuracyAsync(IAggregator rule, Attackers? attackers)
    {
        RunPlan plan = FashionMnist.Plan(
            new TrainingPlan { Epochs = 1, BatchSize = 20, LearningRate = 0.05 }, new RoundPolicy { Count = Rounds }, seed: 1,
            run => run with { Aggregator = rule, Disclosures = [Disclosure.IndividualUpdates], Evaluation = new EvaluationPlan { Every = Rounds } });
        try
        {
            using SimulationResult result = await FashionMnist.RunAsync(plan, Clients, new SimulationOptions { Attackers = attackers });
            return result.Metrics["accuracy"];
        }
        catch (FedCoreException fault) when (fault.Code == "run.diverged")
        {
            return Diverged;
        }
    }
}
