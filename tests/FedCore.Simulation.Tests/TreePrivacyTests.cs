using FedCore.Models;
using FedCore.Numerics;
using FedCore.Privacy;
using FedCore.Privacy.Accounting.Events;
using FedCore.Privacy.Accounting.Pld;
using FedCore.Rounds;
using FedCore.Rounds.Privacy;
using FedCore.Rounds.Selection;

namespace FedCore.Simulation.Tests;

/// <summary>Runs whose noise is in trees (DP-FTRL), for fleets that nobody samples.</summary>
public class TreePrivacyTests
{
    private const double Noise = 2, Clip = 0.5;

    private static readonly PrivacyPolicy Trees = new() { Clip = Clip, NoiseMultiplier = Noise, Delta = 1e-5, Mechanism = PrivacyMechanism.Tree, PublicEvaluation = true };

    // Behind 64 rounds the model has the noise of the one node over all of them, behind 63 that of six, and with a new tree every 16 rounds that of four; noise of each round would be that of 64.
    [Theory]
    [InlineData(64, null, false, 1)]
    [InlineData(63, null, false, 6)]
    [InlineData(64, 16, false, 4)]
    [InlineData(64, null, true, 1)]
    public async Task The_model_has_the_noise_of_the_nodes_over_its_rounds_and_nothing_more(int rounds, int? restartEvery, bool isSecure, int nodes)
    {
        // A model that does not learn, of 2,100 numbers.
        RunPlan plan = Plan(Trees with { Tree = new TreePolicy { RestartEvery = restartEvery } }, new RoundPolicy { Count = rounds }, run => run with
        {
            Model = run.Model with { Layers = [new Models.Layers.LinearSpec { Outputs = 209 }, new Models.Layers.LinearSpec { Outputs = 3 }] },
            Training = run.Training with { LearningRate = 1e-9 },
            SecureAggregation = isSecure ? new SecureAggregationPolicy { MinimumCohort = 3 } : null,
            Evaluation = new EvaluationPlan { Every = 0 },
        });
        using SimulationResult result = await SmallRun.RunAsync(plan);
        using ModelState first = ModelState.Initialize(plan.Model, plan.World.Stream("model"));
        double squares = VectorBlocks.SquaredDistance(result.Server.Model.Trainable, first.Trainable, first.Trainable.Length) / first.Trainable.Length, expected = nodes * Math.Pow(Noise * Clip / 8, 2);
        Assert.Equal(1, squares / expected, 4 * Math.Sqrt(2.0 / first.Trainable.Length));
    }

    [Fact]
    public async Task The_bits_depend_on_no_threads_and_a_resumed_run_has_them_too()
    {
        RunPlan plan = Plan(Trees with { Tree = new TreePolicy { MinimumSeparation = 1, RestartEvery = 3 } }, new RoundPolicy { Count = 7, Cohort = new RoundRobinSelection { Size = 3 } });
        using SimulationResult one = await SmallRun.RunAsync(plan, new SimulationOptions { Threads = 1 }), two = await SmallRun.RunAsync(plan, new SimulationOptions { Threads = 2 });
        Assert.Equal(one.Server.Model.Digest(), two.Server.Model.Digest());
        for (int round = 1; round < 7; round++)
        {
            using SimulationResult resumed = await SmallRun.ResumedAsync(plan, round);
            Assert.Equal(one.Server.Model.Digest(), resumed.Server.Model.Digest());
            Assert.Equal(one.State.Rounds.Select(receipt => receipt.Privacy!.Spent[0]), resumed.State.Rounds.Select(receipt => receipt.Privacy!.Spent[0]));
        }
    }

    // Of 40 clients six are asked at a time, with or without a plan of turns.
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Nobody_is_in_two_rounds_too_close_together_or_in_too_many(bool inTurn)
    {
        ICohortSelection cohort = inTurn ? new RoundRobinSelection { Size = 6 } : new UniformSelection { Size = 6 };
        RunPlan plan = Plan(Trees with { Tree = new TreePolicy { MinimumSeparation = 4, MaximumParticipations = 3 } }, new RoundPolicy { Count = 20, Cohort = cohort, MinimumReports = 1, MaxAbandonedInARow = 20 });
        using SimulationResult result = await SmallRun.RunAsync(plan, clients: 40);
        var rounds = result.State.Rounds.SelectMany(receipt => receipt.Clients.Where(client => client.Outcome == ClientOutcome.Reported).Select(client => (client.Client, receipt.Round))).ToLookup(one => one.Client, one => one.Round);
        Assert.NotEmpty(rounds);
        Assert.All(rounds, client =>
        {
            Assert.InRange(client.Count(), 1, 3);
            Assert.All(client.Zip(client.Skip(1)), two => Assert.InRange(two.Second - two.First, 5, 20));
        });
        if (inTurn) Assert.All(result.State.Rounds, receipt => Assert.Equal(6, receipt.Contributors));
    }

    [Fact]
    public async Task A_receipt_counts_the_tree_as_far_as_it_has_come()
    {
        RunPlan plan = Plan(Trees with { Tree = new TreePolicy { MinimumSeparation = 1, RestartEvery = 4 } }, new RoundPolicy { Count = 6, Cohort = new RoundRobinSelection { Size = 4 } });
        using SimulationResult result = await SmallRun.RunAsync(plan);
        PldAccountant three = new(), six = new();
        three.Record(new TreeAggregationEvent(Noise, 3, 2, 1));
        six.Record(new TreeAggregationEvent(Noise, 4, 2, 1));
        six.Record(new TreeAggregationEvent(Noise, 2, 1, 1));
        Assert.Equal(three.Epsilon(1e-5), result.State.Rounds[2].Privacy!.Spent[0].Epsilon!.Value, 1e-3);
        Assert.Equal(six.Epsilon(1e-5), result.State.Rounds[5].Privacy!.Spent[0].Epsilon!.Value, 1e-3);
        PrivacySpent aggregator = result.State.Rounds[5].Privacy!.Spent[1];
        Assert.Equal((PrivacyAdversary.Aggregator, null), (aggregator.Adversary, aggregator.Epsilon));
        Assert.Contains("at least 1 rounds lie between", result.State.Rounds[5].Privacy!.Spent[0].RestsOn, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_run_stops_at_the_round_before_its_budget()
    {
        RunPlan plan = Plan(Trees with { Epsilon = 6, StopWhenSpent = true }, new RoundPolicy { Count = 60 });
        using SimulationResult result = await SmallRun.RunAsync(plan);
        int held = result.State.Rounds.Count;
        Assert.Equal(RunEnded.BudgetSpent, result.End.Code);
        Assert.InRange(held, 1, 59);
        Assert.InRange(plan.Privacy!.PlannedEpsilon(PrivacyAdversary.Recipients, held), 0, 6);
        Assert.InRange(plan.Privacy.PlannedEpsilon(PrivacyAdversary.Recipients, held + 1), 6, 60);
    }

    private static RunPlan Plan(PrivacyPolicy privacy, RoundPolicy rounds, Func<RunDefinition, RunDefinition>? change = null) => SmallRun.Plan(
        rounds, training: new TrainingPlan { Epochs = 1, LearningRate = 0.1, WeightBy = WeightBy.Uniform }, change: run => (change?.Invoke(run) ?? run) with { Privacy = privacy });
}
