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
        using var first = Models.ModelState.Initialize(plan.Model, plan.World.Stream("model"));
        int moved = Enumerable.Range(0, Parameters).Count(i => first.Trainable.AsSpan()[i] != result.Server.Model.Trainable.AsSpan()[i]);
        Assert.Equal(5, moved);
    }

    // Finite before, and not behind: the server would refuse such bytes of anybody.
    [Fact]
    public async Task An_update_that_a_transform_makes_infinite_is_refused_by_itself()
    {
        RunPlan plan = Plan([new RandomK { Share = 0.25, Unbiased = true }], new RoundPolicy { Count = 1, MinimumReports = 1 });
        var trainer = new HugeTrainer(client: "client-000003");
        using SimulationResult result = await SmallRun.RunAsync(plan, new SimulationOptions { Trainer = trainer });
        ClientReceipt refused = Assert.Single(result.State.Rounds[0].Clients, client => client.Outcome == ClientOutcome.Refused);
        Assert.Equal(("client-000003", "update.not-finite"), (refused.Client, refused.Reason));
    }

    // Nobody is chosen in round 1, so nothing is kept yet when its checkpoint is written.
    [Fact]
    public async Task A_run_whose_clients_keep_nothing_yet_can_be_resumed()
    {
        RunPlan plan = Plan([new TopK { Share = 0.2 }], new RoundPolicy { Count = 40, MinimumReports = 1, Cohort = new PoissonSelection { Rate = 0.02 }, MaxAbandonedInARow = 40 });
        using SimulationResult whole = await SmallRun.RunAsync(plan), resumed = await SmallRun.ResumedAsync(plan, round: 1);
        Assert.False(whole.State.Rounds[0].Committed);
        Assert.Equal(whole.Server.Model.Digest(), resumed.Server.Model.Digest());
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

    // Clients and server reckon with the same control variates, so those are sent as they are.
    [Fact]
    public async Task Of_a_strategy_with_two_vectors_the_models_change_alone_is_quantised()
    {
        RunPlan plan = SmallRun.Plan(strategy: new Scaffold(), change: run => run with { Transforms = [new Int4()] });
        using SimulationResult result = await SmallRun.RunAsync(plan);
        Assert.All(result.State.Rounds, round => Assert.Equal(8 * (11 + 4 + 4 * Parameters + ScalarBytes), round.BytesUp));
        Assert.True(result.State.Evaluations[^1].Metrics["loss"] < result.State.Evaluations[0].Metrics["loss"]);
    }

    /// <summary>Trains as ever, and makes one client's update as large as a float can be.</summary>
    private sealed class HugeTrainer(string client) : Training.ITrainer
    {
        private readonly Training.Engine.EmbeddedTrainer _inner = new();

        public Training.ITrainingWorkspace CreateWorkspace(RunPlan plan) => new Workspace(_inner.CreateWorkspace(plan), client);

        private sealed class Workspace(Training.ITrainingWorkspace inner, string client) : Training.ITrainingWorkspace
        {
            public async ValueTask<Update> TrainAsync(TrainTask task, string site, Training.Data.ClientData data, int steps, IClientState state, CancellationToken ct)
            {
                Update update = await inner.TrainAsync(task, site, data, steps, state, ct);
                if (site != client) return update;
                var huge = new Update(update.Layout, new Numerics.FlatVector(update.Layout.VectorLength));
                huge.Values.AsSpan().Fill(2e38f);
                huge.Weight = 1;
                huge.Complete();
                return huge;
            }

            public Update Evaluate(EvaluateTask task, string site, Training.Data.ClientData data, IClientState state) => inner.Evaluate(task, site, data, state);

            public void Dispose() => inner.Dispose();
        }
    }

    private static RunPlan Plan(IUpdateTransform[] transforms, RoundPolicy? rounds = null) =>
        SmallRun.Plan(rounds, change: run => run with { Transforms = transforms });

    private static Task<SimulationResult> RunAsync(IUpdateTransform[] transforms, SimulationOptions? options = null) => SmallRun.RunAsync(Plan(transforms), options);
}
