using FedCore.Models;
using FedCore.Models.Layers;
using FedCore.Models.Losses;
using FedCore.Rounds;
using FedCore.Simulation.Poisoning;
using FedCore.Training.Data;

namespace FedCore.Simulation.Tests;

/// <summary>Clients that want to harm the model: who they are, and what they send.</summary>
public class PoisoningTests
{
    private static readonly RoundPolicy OneRound = new() { Count = 1, MinimumReports = 1 };

    [Fact]
    public void So_many_clients_attack_as_are_asked_for_and_the_seed_decides_who()
    {
        var attackers = new Attackers { Clients = 4, Behavior = new SignFlipPoisoning() };
        RunPlan first = SmallRun.Plan(), other = RunPlan.Create(first.Definition with { Seed = 77 }, SmallRun.Names), edited = SmallRun.Plan(name: "another name");
        Assert.Equal(4, attackers.Choose(first, 20).Count);
        Assert.Equal(attackers.Choose(first, 20), attackers.Choose(first, 20));
        Assert.Equal(attackers.Choose(first, 1_000_000_000), attackers.Choose(edited, 1_000_000_000));
        Assert.NotEqual(attackers.Choose(first, 1_000_000_000), attackers.Choose(other, 1_000_000_000));
        Assert.Equal("simulation.attackers", Assert.Throws<FedCoreException>(() => attackers.Choose(first, 3)).Code);
    }

    // With one client the model's change is the client's.
    [Theory]
    [InlineData(-10)]
    [InlineData(0.5)]
    public async Task A_scaled_update_moves_the_model_so_many_times_as_far(double factor)
    {
        float[] honest = await ChangeAsync(null), scaled = await ChangeAsync(new ScaledUpdatePoisoning { Factor = factor });
        for (int i = 0; i < honest.Length; i++) Assert.Equal(factor * honest[i], scaled[i], 1e-5);
    }

    [Fact]
    public async Task A_turned_sign_moves_the_model_back()
    {
        float[] honest = await ChangeAsync(null), turned = await ChangeAsync(new SignFlipPoisoning());
        for (int i = 0; i < honest.Length; i++) Assert.Equal(-honest[i], turned[i], 1e-6f);
    }

    [Fact]
    public async Task What_is_no_number_is_refused_and_the_others_count()
    {
        RunPlan plan = SmallRun.Plan(new RoundPolicy { Count = 3, MinimumReports = 5 });
        using SimulationResult result = await SmallRun.RunAsync(plan, new SimulationOptions { Attackers = new Attackers { Clients = 2, Behavior = new NotANumberPoisoning() } });
        Assert.All(result.State.Rounds, round =>
        {
            Assert.True(round.Committed);
            Assert.Equal(6, round.Contributors);
            Assert.Equal(2, round.Clients.Count(client => client is { Outcome: ClientOutcome.Refused, Reason: "update.not-finite" }));
        });
        Assert.All(result.Server.Model.Trainable.AsSpan().ToArray(), value => Assert.True(float.IsFinite(value)));
    }

    // By default, with nothing said of how few reports are enough.
    [Fact]
    public async Task A_rule_withstands_clients_that_send_no_numbers()
    {
        foreach (Aggregation.Robust.RobustAggregator rule in (Aggregation.Robust.RobustAggregator[])
            [new Aggregation.Robust.CoordinateMedian(), new Aggregation.Robust.TrimmedMean(), new Aggregation.Robust.Krum { Byzantine = 2 }, new Aggregation.Robust.GeometricMedian()])
        {
            RunPlan plan = SmallRun.Plan(change: run => run with { Aggregator = rule, Disclosures = [Disclosure.IndividualUpdates] });
            using SimulationResult result = await SmallRun.RunAsync(plan, new SimulationOptions { Attackers = new Attackers { Clients = 2, Behavior = new NotANumberPoisoning() } });
            Assert.All(result.State.Rounds, round => Assert.Equal((true, 6), (round.Committed, round.Contributors)));
        }
    }

    [Fact]
    public void Flipped_labels_are_those_of_the_opposite_classes_and_evaluation_examples_stay()
    {
        RunPlan plan = SmallRun.Plan();
        ClientData own = SmallRun.Data(plan).Get(0), poisoned = new LabelFlipPoisoning().Poison(own, plan.Model);
        Assert.Same(own.Test, poisoned.Test);
        foreach (int row in own.Train.Rows.Span) Assert.Equal(2 - own.Train.Set.Label(row)[0], poisoned.Train.Set.Label(row)[0]);
    }

    [Fact]
    public void Every_number_of_a_label_is_flipped()
    {
        var spec = new ModelSpec { Input = [2, 1], Layers = [new LinearSpec { Outputs = 3 }], Loss = new SoftmaxCrossEntropySpec() };
        ExampleView all = ExampleView.All(new InMemoryExamples(new Shape(2, 1), new float[4], [0, 1, 2, 0], labelWidth: 2));
        ClientData poisoned = new LabelFlipPoisoning().Poison(new ClientData(all, all), spec.Plan(SmallRun.Names));
        Assert.Equal([2, 1], poisoned.Train.Set.Label(0).ToArray());
        Assert.Equal([0, 2], poisoned.Train.Set.Label(1).ToArray());
    }

    [Fact]
    public async Task Flipped_labels_teach_the_wrong_answers()
    {
        RunPlan plan = SmallRun.Plan(new RoundPolicy { Count = 15 });
        using SimulationResult honest = await SmallRun.RunAsync(plan);
        using SimulationResult flipped = await SmallRun.RunAsync(plan, new SimulationOptions { Attackers = new Attackers { Clients = 8, Behavior = new LabelFlipPoisoning() } });
        Assert.True(flipped.Metrics["accuracy"] < honest.Metrics["accuracy"] - 0.2, $"{flipped.Metrics["accuracy"]} {honest.Metrics["accuracy"]}");
    }

    private static async Task<float[]> ChangeAsync(IPoisoning? behavior)
    {
        RunPlan plan = SmallRun.Plan(OneRound);
        using ModelState initial = ModelState.Initialize(plan.Model, plan.World.Stream("model"));
        var options = new SimulationOptions { Attackers = behavior is null ? null : new Attackers { Clients = 1, Behavior = behavior } };
        using SimulationResult result = await SmallRun.RunAsync(plan, options, clients: 1);
        return [.. result.Server.Model.Trainable.AsSpan().ToArray().Zip(initial.Trainable.AsSpan().ToArray(), (w, first) => w - first)];
    }
}
