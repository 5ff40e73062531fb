using FedCore.Models;
using FedCore.Naming;
using FedCore.Numerics;
using FedCore.Privacy;
using FedCore.Privacy.Accounting.Events;
using FedCore.Privacy.Accounting.Pld;
using FedCore.Rounds;
using FedCore.Rounds.Privacy;
using FedCore.Rounds.Selection;
using FedCore.Simulation.Devices;
using FedCore.Strategies;

namespace FedCore.Simulation.Tests;

/// <summary>Runs whose sites hide their single examples (DP-SGD), from the batches to the receipts.</summary>
public class ExamplePrivacyTests
{
    private static readonly PrivacyPolicy Hiding = new() { Unit = PrivacyUnit.Example, Clip = 0.5, NoiseMultiplier = 1, SamplingRate = 0.25, Delta = 1e-5, PublicEvaluation = true };

    // Beside so much noise the gradients themselves are nothing. Two passes are eight steps.
    [Fact]
    public async Task A_model_moves_by_the_noise_of_every_step_of_every_site()
    {
        const int Rounds = 40, Steps = 8, Sites = 8;
        RunPlan plan = Plan(Hiding with { NoiseMultiplier = 40 }, new RoundPolicy { Count = Rounds }, run => run with { Training = run.Training with { LearningRate = 1e-4 } });
        using SimulationResult result = await SmallRun.RunAsync(plan);
        using ModelState first = ModelState.Initialize(plan.Model, plan.World.Stream("model"));
        double squares = VectorBlocks.SquaredDistance(result.Server.Model.Trainable, first.Trainable, first.Trainable.Length) / first.Trainable.Length;
        double step = 1e-4 * 40 * 0.5 * 1.01 / (0.25 * SmallRun.TrainExamples);
        Assert.Equal(1, squares / (step * step * Rounds * Steps / Sites), 4 * Math.Sqrt(2.0 / 21));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_bits_depend_on_no_threads_and_a_resumed_run_has_them_too(bool isSecure)
    {
        RunPlan plan = Plan(Hiding, change: run => run with { SecureAggregation = isSecure ? new SecureAggregationPolicy { MinimumCohort = 3 } : null });
        using SimulationResult one = await SmallRun.RunAsync(plan, new SimulationOptions { Threads = 1 }), two = await SmallRun.RunAsync(plan, new SimulationOptions { Threads = 2 });
        using SimulationResult resumed = await SmallRun.ResumedAsync(plan, 2);
        Assert.Equal(one.Server.Model.Digest(), two.Server.Model.Digest());
        Assert.Equal(one.Server.Model.Digest(), resumed.Server.Model.Digest());
        Assert.Equal(one.State.Rounds.Select(round => round.Privacy!.Spent[0]), resumed.State.Rounds.Select(round => round.Privacy!.Spent[0]));
        Assert.Equal(4, resumed.State.Privacy.Sums);
    }

    [Theory]
    [InlineData(0, 9)]
    [InlineData(3, 0)]
    public async Task A_strategy_that_plans_more_steps_than_are_paid_for_is_stopped(int epochs, int steps)
    {
        RunPlan plain = Plan(Hiding);
        RunPlan plan = RunPlan.Create(plain.Definition with { Strategy = new Eager { Work = new LocalWork(epochs, steps) } }, Registry.CreateDefault().AddSimulation().Register<IStrategy, Eager>("eager"));
        var fault = await Assert.ThrowsAsync<InvalidOperationException>(() => SmallRun.RunAsync(plan));
        Assert.Contains("reckoned for 8 steps", fault.Message, StringComparison.Ordinal);
    }

    private sealed class Eager : FedAvg
    {
        public LocalWork Work { get; init; }

        public override ClientTask Plan(RoundContext round, ClientDescriptor client) => base.Plan(round, client) with { Work = Work };
    }

    [Fact]
    public async Task A_receipt_counts_all_steps_so_far_against_everybody()
    {
        using SimulationResult result = await SmallRun.RunAsync(Plan(Hiding));
        for (int round = 1; round <= result.State.Rounds.Count; round++)
        {
            PrivacyReceipt receipt = result.State.Rounds[round - 1].Privacy!;
            var accountant = new PldAccountant();
            accountant.Record(new PoissonSampledEvent(0.25, new GaussianEvent(1)), 8 * round);
            Assert.Equal((PrivacyUnit.Example, PrivacyMechanism.Site), (receipt.Unit, receipt.Mechanism));
            Assert.Equal(8, Assert.IsType<RepeatedEvent>(receipt.Noise).Count);
            Assert.All(receipt.Spent, spent => Assert.Equal(accountant.Epsilon(1e-5), spent.Epsilon!.Value, 1e-3));
            Assert.All(receipt.Spent, spent => Assert.Contains("each example with probability 0.25", spent.RestsOn, StringComparison.Ordinal));
        }
    }

    [Fact]
    public async Task A_site_that_is_asked_seldom_spends_little()
    {
        using SimulationResult result = await SmallRun.RunAsync(Plan(Hiding, new RoundPolicy { Count = 10, Cohort = new RoundRobinSelection { Size = 4 } }));
        var accountant = new PldAccountant();
        accountant.Record(new PoissonSampledEvent(0.25, new GaussianEvent(1)), 5 * 8);
        Assert.Equal(accountant.Epsilon(1e-5), result.State.Rounds[^1].Privacy!.Spent[0].Epsilon!.Value, 1e-3);
    }

    [Fact]
    public async Task A_run_stops_at_the_round_before_its_budget()
    {
        RunPlan plan = Plan(Hiding with { Epsilon = 8, StopWhenSpent = true }, new RoundPolicy { Count = 200 });
        using SimulationResult result = await SmallRun.RunAsync(plan);
        Assert.Equal(RunEnded.BudgetSpent, result.End.Code);
        int held = result.State.Rounds.Count;
        Assert.InRange(plan.Privacy!.PlannedEpsilon(PrivacyAdversary.Aggregator, held), 7, 8);
        Assert.InRange(plan.Privacy.PlannedEpsilon(PrivacyAdversary.Aggregator, held + 1), 8, 9);
    }

    // Strategies, rules and devices see noisy gradients and nothing else: all of them work as they do without.
    [Theory]
    [InlineData("fedprox")]
    [InlineData("scaffold")]
    [InlineData("fednova")]
    [InlineData("feddyn")]
    public async Task Strategies_work_on_gradients_that_hide_examples(string name)
    {
        IStrategy strategy = name switch { "fedprox" => new FedProx { Mu = 0.1 }, "scaffold" => new Scaffold(), "fednova" => new FedNova(), _ => new FedDyn() };
        RunPlan plan = Plan(Hiding with { NoiseMultiplier = 0.6, Clip = 1 }, new RoundPolicy { Count = 12 }, run => run with { Strategy = strategy });
        using SimulationResult result = await SmallRun.RunAsync(plan);
        Assert.InRange(result.Metrics["accuracy"], 0.5, 1);
    }

    [Fact]
    public async Task A_slow_device_that_may_send_what_it_has_takes_fewer_steps()
    {
        RunPlan plan = Plan(Hiding, new RoundPolicy { Count = 3, DeadlineSeconds = 2 }, run => run with { Strategy = new FedProx { Mu = 0.1 } });
        using SimulationResult result = await SmallRun.RunAsync(plan, new SimulationOptions { Devices = [new DeviceProfile { Name = "meter", ExamplesPerSecond = 10 }] });
        Assert.All(result.State.Rounds, round => Assert.Equal(8, round.Contributors));
    }

    [Fact]
    public async Task A_trainer_that_hides_no_examples_is_refused()
    {
        var fault = await Assert.ThrowsAsync<FedCoreException>(() => SmallRun.RunAsync(Plan(Hiding), new SimulationOptions { Trainer = new SmallRun.CountingTrainer() }));
        Assert.Equal("privacy.trainer", fault.Code);
    }

    private static RunPlan Plan(PrivacyPolicy privacy, RoundPolicy? rounds = null, Func<RunDefinition, RunDefinition>? change = null) => SmallRun.Plan(
        rounds, training: new TrainingPlan { Epochs = 2, LearningRate = 0.1, WeightBy = WeightBy.Uniform }, change: run => (change?.Invoke(run) ?? run) with { Privacy = privacy });
}
