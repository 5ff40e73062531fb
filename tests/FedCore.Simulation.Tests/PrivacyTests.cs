using FedCore.Models;
using FedCore.Numerics;
using FedCore.Privacy;
using FedCore.Privacy.Accounting;
using FedCore.Privacy.Accounting.Events;
using FedCore.Privacy.Accounting.Pld;
using FedCore.Privacy.Clipping;
using FedCore.Rounds;
using FedCore.Rounds.Privacy;
using FedCore.Rounds.Selection;
using FedCore.Simulation.Devices;

namespace FedCore.Simulation.Tests;

/// <summary>Runs with differential privacy, from the clients' clip to the receipts.</summary>
public class PrivacyTests
{
    private static readonly PrivacyPolicy Central = new() { Clip = 0.5, NoiseMultiplier = 1, Delta = 1e-5, PublicEvaluation = true };
    private static readonly SecureAggregationPolicy Secure = new() { MinimumCohort = 3 };

    // The model has 21 numbers and does not learn: what it moves by is noise of deviation z C over the cohort.
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_model_moves_by_noise_as_wide_as_the_run_says(bool isSecure)
    {
        const int Rounds = 60;
        PrivacyPolicy privacy = Central with { NoiseMultiplier = 2, Mechanism = PrivacyMechanism.Central };
        RunPlan plan = Plan(privacy, new RoundPolicy { Count = Rounds }, run => run with { SecureAggregation = isSecure ? Secure : null, Training = run.Training with { LearningRate = 1e-9 } });
        using SimulationResult result = await SmallRun.RunAsync(plan);
        using ModelState first = ModelState.Initialize(plan.Model, plan.World.Stream("model"));
        double squares = VectorBlocks.SquaredDistance(result.Server.Model.Trainable, first.Trainable, first.Trainable.Length) / first.Trainable.Length, expected = Rounds * Math.Pow(2 * 0.5 / 8, 2);

        // Of 21 numbers, each a sum of as many draws as rounds: four standard errors of a mean of 21 squares.
        Assert.Equal(1, squares / expected, 4 * Math.Sqrt(2.0 / 21));
    }

    // Six of eight clients share what is enough if two of them are the adversary's and two vanish: with all there it is wider.
    [Fact]
    public async Task Shares_of_all_clients_are_wider_than_those_of_the_fewest()
    {
        const int Rounds = 60;
        RunPlan plan = Plan(Central with { NoiseMultiplier = 2 }, new RoundPolicy { Count = Rounds }, run => run with { SecureAggregation = Secure, Training = run.Training with { LearningRate = 1e-9 } });
        using SimulationResult result = await SmallRun.RunAsync(plan);
        var noise = Assert.IsType<DistributedDiscreteGaussianEvent>(result.State.Rounds[0].Privacy!.Noise);
        using ModelState first = ModelState.Initialize(plan.Model, plan.World.Stream("model"));
        double squares = VectorBlocks.SquaredDistance(result.Server.Model.Trainable, first.Trainable, first.Trainable.Length) / first.Trainable.Length;
        double expected = Rounds * Math.Pow(2 * 0.5 * 1.01 / 8, 2) * 8 / noise.Clients;
        Assert.Equal(4, noise.Clients);
        Assert.Equal(1, squares / expected, 4 * Math.Sqrt(2.0 / 21));
    }

    [Theory]
    [InlineData(PrivacyMechanism.Central, false)]
    [InlineData(PrivacyMechanism.Central, true)]
    [InlineData(PrivacyMechanism.Distributed, true)]
    public async Task The_bits_depend_neither_on_threads_nor_on_masks(PrivacyMechanism mechanism, bool isSecure)
    {
        RunPlan plan = Plan(Central with { Mechanism = mechanism, AdaptiveClip = new AdaptiveClip { CountNoise = 2 } }, change: run => run with { SecureAggregation = isSecure ? Secure : null });
        using SimulationResult one = await SmallRun.RunAsync(plan, new SimulationOptions { Threads = 1 }), two = await SmallRun.RunAsync(plan, new SimulationOptions { Threads = 2 });
        Assert.Equal(one.Server.Model.Digest(), two.Server.Model.Digest());
        if (!isSecure) return;
        using SimulationResult masked = await SmallRun.RunAsync(plan, new SimulationOptions { SecureAggregation = SecureSumMode.Full });
        Assert.Equal(one.Server.Model.Digest(), masked.Server.Model.Digest());
    }

    // mu = sqrt(rounds)/z of Gaussian differential privacy, which the closed form adds up.
    [Fact]
    public async Task A_receipt_says_what_was_spent_against_whom()
    {
        RunPlan plan = Plan(Central);
        using SimulationResult result = await SmallRun.RunAsync(plan);
        for (int round = 1; round <= result.State.Rounds.Count; round++)
        {
            PrivacyReceipt receipt = result.State.Rounds[round - 1].Privacy!;
            var exact = new PldAccountant();
            exact.Record(new GaussianEvent(1), round);
            Assert.Equal((PrivacyUnit.Client, NeighboringRelation.ZeroOut, PrivacyMechanism.Central, 0.5, 1.0, 1e-5), (receipt.Unit, receipt.Relation, receipt.Mechanism, receipt.Clip, receipt.NoiseMultiplier, receipt.Delta));
            PrivacySpent recipients = receipt.Spent.Single(spent => spent.Adversary == PrivacyAdversary.Recipients), aggregator = receipt.Spent.Single(spent => spent.Adversary == PrivacyAdversary.Aggregator);
            Assert.Equal(exact.Epsilon(1e-5), recipients.Epsilon!.Value, 1e-4);
            Assert.Contains("the aggregator is trusted", recipients.RestsOn, StringComparison.Ordinal);
            Assert.Contains("protect nobody", recipients.RestsOn, StringComparison.Ordinal);
            Assert.Null(aggregator.Epsilon);
        }
    }

    [Fact]
    public async Task Distributed_noise_holds_against_the_aggregator_too()
    {
        using SimulationResult result = await SmallRun.RunAsync(Plan(Central, change: run => run with { SecureAggregation = Secure }));
        PrivacyReceipt receipt = result.State.Rounds[^1].Privacy!;
        Assert.Equal(PrivacyMechanism.Distributed, receipt.Mechanism);
        Assert.All(receipt.Spent, spent => Assert.InRange(spent.Epsilon!.Value, 9, 13));
    }

    // A client in five of ten rounds spends as much as five rounds cost.
    [Fact]
    public async Task Who_is_asked_seldom_spends_little()
    {
        using SimulationResult result = await SmallRun.RunAsync(Plan(Central, new RoundPolicy { Count = 10, Cohort = new RoundRobinSelection { Size = 4 } }));
        var exact = new PldAccountant();
        exact.Record(new GaussianEvent(1), 5);
        Assert.Equal(5, result.State.Privacy.MostParticipations);
        Assert.Equal(exact.Epsilon(1e-5), result.State.Rounds[^1].Privacy!.Spent[0].Epsilon!.Value, 1e-4);
    }

    [Fact]
    public async Task Amplification_counts_against_recipients_and_not_against_an_aggregator_that_sees_who_comes()
    {
        RunPlan plan = Plan(Central with { Amplification = true }, new RoundPolicy { Count = 10, Cohort = new PoissonSelection { Rate = 0.3 }, MinimumReports = 1, MaxAbandonedInARow = 10 }, run => run with { SecureAggregation = null });
        using SimulationResult result = await SmallRun.RunAsync(plan, clients: 60), again = await SmallRun.RunAsync(plan, clients: 60);
        PrivacySpent recipients = result.State.Rounds[^1].Privacy!.Spent[0];
        var exact = new PldAccountant();
        exact.Record(new PoissonSampledEvent(0.3, new GaussianEvent(1)), result.State.Privacy.Sums);
        Assert.Equal(exact.Epsilon(1e-5), recipients.Epsilon!.Value, 1e-3);
        Assert.Contains("in secret", recipients.RestsOn, StringComparison.Ordinal);
        Assert.Equal(result.Server.Model.Digest(), again.Server.Model.Digest());

        // The mean is over 18 clients, whoever comes.
        Assert.All(result.State.Rounds, round => Assert.Equal(18, round.Weight));
        Assert.True(result.State.Rounds.Select(round => round.Contributors).Distinct().Count() > 1);
    }

    [Fact]
    public async Task A_run_stops_at_the_round_before_its_budget()
    {
        // 4.38 in one round, 6.6 in two, 8.5 in three.
        RunPlan plan = Plan(Central with { Epsilon = 7, StopWhenSpent = true }, new RoundPolicy { Count = 50 });
        using SimulationResult result = await SmallRun.RunAsync(plan);
        Assert.Equal(RunEnded.BudgetSpent, result.End.Code);
        Assert.Equal(2, result.State.Rounds.Count);
        Assert.InRange(result.State.Rounds[^1].Privacy!.Spent[0].Epsilon!.Value, 6, 7);
    }

    [Fact]
    public async Task A_resumed_run_has_spent_what_one_that_was_never_stopped_has()
    {
        RunPlan plan = Plan(Central with { AdaptiveClip = new AdaptiveClip { CountNoise = 2 } }, new RoundPolicy { Count = 5 });
        using SimulationResult whole = await SmallRun.RunAsync(plan), resumed = await SmallRun.ResumedAsync(plan, 2);
        Assert.Equal(whole.Server.Model.Digest(), resumed.Server.Model.Digest());
        Assert.Equal(whole.State.Rounds.Select(round => round.Privacy!.Spent[0]), resumed.State.Rounds.Select(round => round.Privacy!.Spent[0]));
        Assert.Equal(5, resumed.State.Privacy.Sums);
    }

    // Half of the clients have updates longer than the clip when it has settled.
    [Fact]
    public async Task A_clip_that_adapts_follows_the_median_of_the_updates()
    {
        RunPlan plan = Plan(
            Central with { Clip = 100, NoiseMultiplier = 0.01, AdaptiveClip = new AdaptiveClip { LearningRate = 0.5, CountNoise = 0.1 } }, new RoundPolicy { Count = 60 }, run => run with { Training = run.Training with { LearningRate = 0.01 } });
        using SimulationResult result = await SmallRun.RunAsync(plan);
        double[] clips = [.. result.State.Rounds.Select(round => round.Privacy!.Clip)];
        Assert.Equal(100, clips[0]);
        Assert.Equal(clips.Skip(1), result.State.Rounds.SkipLast(1).Select(round => round.Privacy!.NextClip!.Value));
        Assert.InRange(clips[^1], 0.001, 1);
        Assert.InRange(clips[^1] / clips[^8], 0.6, 1.6);
    }

    [Fact]
    public async Task What_is_longer_than_the_clip_is_scaled_down_to_it()
    {
        // Hardly any noise, and updates that are all much longer: their mean is at most as long as the clip.
        RunPlan plan = Plan(Central with { Clip = 1e-3, NoiseMultiplier = 1e-3 }, new RoundPolicy { Count = 1 });
        using SimulationResult result = await SmallRun.RunAsync(plan);
        using ModelState first = ModelState.Initialize(plan.Model, plan.World.Stream("model"));
        double moved = Math.Sqrt(VectorBlocks.SquaredDistance(result.Server.Model.Trainable, first.Trainable, first.Trainable.Length));
        Assert.InRange(moved, 2e-4, 1.001e-3);
    }

    [Fact]
    public async Task Clients_that_vanish_do_not_change_what_the_mean_is_over()
    {
        RunPlan plan = Plan(Central, new RoundPolicy { Count = 6, MinimumReports = 2, DeadlineSeconds = 60 });
        using SimulationResult result = await SmallRun.RunAsync(plan, new SimulationOptions { Devices = [new DeviceProfile { Name = "phone", ExamplesPerSecond = 100, Dropout = 0.3, LivenessSeconds = 5 }] });
        Assert.Contains(result.State.Rounds, round => round.Contributors < 8);
        Assert.All(result.State.Rounds.Where(round => round.Committed), round => Assert.Equal(8, round.Weight));
    }

    // At a rate at which every client's model overflows. That some cannot learn would say something of their data.
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_is_not_finite_counts_as_nothing(bool isSecure)
    {
        RunPlan plan = Plan(Central with { NoiseMultiplier = 1e-3 }, new RoundPolicy { Count = 1 }, run => run with
        {
            SecureAggregation = isSecure ? Secure : null,
            Privacy = Central with { NoiseMultiplier = 1e-3, Mechanism = PrivacyMechanism.Central },
            Training = run.Training with { LearningRate = 1e38, BatchSize = 1 },
        });
        using SimulationResult result = await SmallRun.RunAsync(plan);
        using ModelState first = ModelState.Initialize(plan.Model, plan.World.Stream("model"));
        Assert.All(result.State.Rounds[0].Clients, client => Assert.Equal(ClientOutcome.Reported, client.Outcome));
        Assert.InRange(VectorBlocks.SquaredDistance(result.Server.Model.Trainable, first.Trainable, first.Trainable.Length), 0, 1e-4);
    }

    private static RunPlan Plan(PrivacyPolicy privacy, RoundPolicy? rounds = null, Func<RunDefinition, RunDefinition>? change = null) => SmallRun.Plan(
        rounds, training: new TrainingPlan { Epochs = 2, BatchSize = 6, LearningRate = 0.1, WeightBy = WeightBy.Uniform }, change: run => (change?.Invoke(run) ?? run) with { Privacy = privacy });
}
