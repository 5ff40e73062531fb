using FedCore.Compression.Formats;
using FedCore.Compression.Sparsifiers;
using FedCore.Rounds;
using FedCore.Rounds.Selection;
using FedCore.Strategies;
using FedCore.Updates;

namespace FedCore.Simulation.Tests;

/// <summary>Updates that are written down in fewer bytes, from the client's training to the model.</summary>
public class CompressionTests
{
    // A model of 6 x 3 + 3 numbers, and four numbers beside it: weight, examples, loss, correct answers.
    private const int Parameters = 21, ScalarBytes = 4 * 8;

    [Theory]
    [InlineData(false, 8 * (Parameters + 4 + ScalarBytes))]
    [InlineData(true, 8 * (11 + 4 + ScalarBytes))]
    public async Task A_receipt_counts_the_bytes_that_came(bool is4Bit, int bytes)
    {
        using SimulationResult result = await RunAsync([is4Bit ? new Int4() : new Int8()]);
        Assert.All(result.State.Rounds, round => Assert.Equal(bytes, round.BytesUp));
    }

    [Fact]
    public async Task A_receipt_counts_places_that_were_sent_too()
    {
        using SimulationResult result = await RunAsync([new TopK { Share = 0.2 }]);
        Assert.All(result.State.Rounds, round => Assert.Equal(8 * (4 * (1 + 4) + ScalarBytes), round.BytesUp));
    }

    [Fact]
    public async Task Only_the_rounds_places_of_the_model_move()
    {
        RunPlan plan = Plan([new RandomK { Share = 0.25 }], new RoundPolicy { Count = 1 });
        using SimulationResult result = await SmallRun.RunAsync(plan);
        using var first = Models.ModelState.Initialize(plan.Model, plan.Random.Stream("model"));
        int moved = Enumerable.Range(0, Parameters).Count(i => first.Trainable.AsSpan()[i] != result.Server.Model.Trainable.AsSpan()[i]);
        Assert.Equal(5, moved);
    }

    public static TheoryData<string> Pipelines => [.. All.Keys];

    private static readonly Dictionary<string, IUpdateTransform[]> All = new()
    {
        ["top-k"] = [new TopK { Share = 0.2 }],
        ["top-k in 4 bits"] = [new TopK { Share = 0.5 }, new Int4()],
        ["random-k in 8 bits"] = [new RandomK { Share = 0.5 }, new Int8()],
        ["halves"] = [new Float16()],
    };

    [Theory]
    [MemberData(nameof(Pipelines))]
    public async Task The_bits_do_not_depend_on_the_number_of_threads(string name)
    {
        using SimulationResult one = await RunAsync(All[name], new SimulationOptions { Threads = 1 }), two = await RunAsync(All[name], new SimulationOptions { Threads = 2 });
        Assert.Equal(one.Server.Model.Digest(), two.Server.Model.Digest());
    }

    // What top-k keeps at the clients is part of the checkpoint.
    [Theory]
    [MemberData(nameof(Pipelines))]
    public async Task A_run_that_is_interrupted_and_resumed_ends_with_the_same_bits(string name)
    {
        RunPlan plan = Plan(All[name], new RoundPolicy { Count = 6, Cohort = new UniformSelection { Size = 5 } });
        using SimulationResult whole = await SmallRun.RunAsync(plan), resumed = await SmallRun.ResumedAsync(plan, round: 3);
        Assert.Equal(whole.Server.Model.Digest(), resumed.Server.Model.Digest());
    }

    // Its control variates are an eighth as many bytes too.
    [Fact]
    public async Task A_strategy_with_two_vectors_has_both_of_them_quantised()
    {
        RunPlan plan = SmallRun.Plan(strategy: new Scaffold(), change: run => run with { Transforms = [new Int4()] });
        using SimulationResult result = await SmallRun.RunAsync(plan);
        Assert.All(result.State.Rounds, round => Assert.Equal(8 * (2 * (11 + 4) + ScalarBytes), round.BytesUp));
        Assert.True(result.State.Evaluations[^1].Metrics["loss"] < result.State.Evaluations[0].Metrics["loss"]);
    }

    private static RunPlan Plan(IUpdateTransform[] transforms, RoundPolicy? rounds = null) =>
        SmallRun.Plan(rounds, change: run => run with { Transforms = transforms });

    private static Task<SimulationResult> RunAsync(IUpdateTransform[] transforms, SimulationOptions? options = null) => SmallRun.RunAsync(Plan(transforms), options);
}
