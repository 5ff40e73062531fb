using FedCore.Compression.Sparsifiers;
using FedCore.Models.Layers;
using FedCore.Numerics;
using FedCore.Rounds;
using FedCore.SecureAggregation.Messages;
using FedCore.Simulation.Devices;
using FedCore.Simulation.Poisoning;
using FedCore.Strategies;
using FedCore.Strategies.Server;
using FedCore.Updates;

namespace FedCore.Simulation.Tests;

/// <summary>Runs under secure aggregation, with real keys and masks and without: the bits are the same, and those of a run in the clear but for the rounding.</summary>
public class SecureAggregationTests
{
    public static TheoryData<string> Strategies => ["fedavg", "fedprox", "fednova", "qfedavg", "scaffold", "feddyn", "fedavg+adam", "fedavg+momentum"];

    [Theory]
    [MemberData(nameof(Strategies))]
    public async Task Real_keys_and_masks_give_the_bits_of_the_ring_alone(string strategy)
    {
        RunPlan plan = Plan(Create(strategy), new RoundPolicy { Count = 2 });
        using SimulationResult ideal = await SmallRun.RunAsync(plan), full = await SmallRun.RunAsync(plan, Full), alone = await SmallRun.RunAsync(plan, Full with { Threads = 1 });
        Assert.Equal(ideal.Server.Model.Digest(), full.Server.Model.Digest());
        Assert.Equal(ideal.Server.Model.Digest(), alone.Server.Model.Digest());
        Assert.Equal(Metrics(ideal), Metrics(full));
        Assert.Equal(2, full.State.Rounds.Count(round => round.Committed));
    }

    // The steps of 32 bits and eight clients are 100 / 2^28, so the mean of eight is within a few of them. Batches, which the run's hash decides, are all examples.
    [Theory]
    [MemberData(nameof(Strategies))]
    public async Task The_result_is_that_of_a_run_in_the_clear_but_for_the_rounding(string strategy)
    {
        static RunDefinition WholeBatches(RunDefinition run) => run with { Training = run.Training with { BatchSize = 0, Epochs = 6 } };
        using SimulationResult clear = await SmallRun.RunAsync(Plan(secure: null, Create(strategy), change: WholeBatches)), secure = await SmallRun.RunAsync(Plan(Create(strategy), change: WholeBatches));
        Assert.NotEqual(clear.Server.Model.Digest(), secure.Server.Model.Digest());
        Assert.InRange(Math.Sqrt(VectorBlocks.SquaredDistance(clear.Server.Model.Trainable, secure.Server.Model.Trainable, clear.Server.Model.Trainable.Length)), 0, 1e-4);
        foreach ((string name, double value) in clear.State.Evaluations[^1].Metrics) Assert.Equal(value, secure.State.Evaluations[^1].Metrics[name], 1e-4);
    }

    [Theory]
    [InlineData(16, false)]
    [InlineData(32, true)]
    [InlineData(12, true)]
    public async Task Few_bits_and_shared_places_are_summed_too(int bits, bool isSparse)
    {
        RunPlan plan = Plan(secure: new SecureAggregationPolicy { Bits = bits, Clip = 2 }, rounds: new RoundPolicy { Count = 12 }, change: run => isSparse ? run with { Transforms = [new RandomK { Share = 0.4 }] } : run);
        using SimulationResult ideal = await SmallRun.RunAsync(plan), full = await SmallRun.RunAsync(plan, Full);
        Assert.Equal(ideal.Server.Model.Digest(), full.Server.Model.Digest());
        Assert.True(full.State.Evaluations[^1].Metrics["accuracy"] > 0.5, $"{full.State.Evaluations[^1].Metrics["accuracy"]}");
        Assert.Equal(bits, full.State.Rounds[0].SecureAggregation!.Bits);
    }

    [Fact]
    public async Task Buffers_travel_in_the_sum()
    {
        RunPlan plan = Plan(change: run => run with
        {
            Training = run.Training with { BatchSize = 0 },
            Model = run.Model with { Layers = [new LinearSpec { Outputs = 8 }, new BatchNormSpec(), new ReluSpec(), new LinearSpec { Outputs = 3 }] },
        });
        using SimulationResult ideal = await SmallRun.RunAsync(plan), full = await SmallRun.RunAsync(plan, Full), clear = await SmallRun.RunAsync(
            Plan(secure: null, change: run => run with { Model = plan.Definition.Model, Training = plan.Definition.Training }));
        Assert.Equal(ideal.Server.Model.Digest(), full.Server.Model.Digest());
        Assert.InRange(Math.Sqrt(VectorBlocks.SquaredDistance(clear.Server.Model.Buffers, full.Server.Model.Buffers, clear.Server.Model.Buffers.Length)), 0, 1e-3);
    }

    // A third of the clients does not answer in time or vanishes in training; the others are summed, whichever they are.
    [Fact]
    public async Task Who_vanishes_in_training_costs_the_sum_nothing()
    {
        RunPlan plan = Plan(rounds: new RoundPolicy { Count = 4, MinimumReports = 3, DeadlineSeconds = 60 });
        SimulationOptions options = new() { Devices = [new DeviceProfile { Name = "phone", ExamplesPerSecond = 100, Dropout = 0.3, LivenessSeconds = 5 }] };
        using SimulationResult ideal = await SmallRun.RunAsync(plan, options), full = await SmallRun.RunAsync(plan, options with { SecureAggregation = SecureSumMode.Full });
        Assert.Equal(ideal.Server.Model.Digest(), full.Server.Model.Digest());
        Assert.Contains(full.State.Rounds, round => round.Contributors < 8);
        Assert.All(full.State.Rounds.Where(round => round.Committed), round => Assert.Equal(round.Contributors, round.SecureAggregation!.Members));
    }

    [Fact]
    public async Task A_client_whose_update_is_not_finite_is_left_out_like_one_that_vanished()
    {
        RunPlan plan = Plan(rounds: new RoundPolicy { Count = 2, MinimumReports = 6 });
        SimulationOptions options = new() { Attackers = new Attackers { Clients = 2, Behavior = new NotANumberPoisoning() } };
        using SimulationResult ideal = await SmallRun.RunAsync(plan, options), full = await SmallRun.RunAsync(plan, options with { SecureAggregation = SecureSumMode.Full });
        Assert.Equal(ideal.Server.Model.Digest(), full.Server.Model.Digest());
        Assert.Equal(6, full.State.Rounds[0].Contributors);
        Assert.Equal(2, full.State.Rounds[0].Clients.Count(client => client is { Outcome: ClientOutcome.Refused, Reason: UpdateRefusedException.NotFinite }));
    }

    [Fact]
    public async Task The_receipt_says_how_the_sum_was_formed()
    {
        using SimulationResult ideal = await SmallRun.RunAsync(Plan()), full = await SmallRun.RunAsync(Plan(), Full), clear = await SmallRun.RunAsync(Plan(secure: null));
        SecureSumReceipt receipt = full.State.Rounds[0].SecureAggregation!;
        Assert.Equal((1, 8, 8, 8, 7, 6, 32, SecureSumReceipt.Roster), (receipt.Attempt, receipt.Invited, receipt.Members, receipt.Survivors, receipt.Degree, receipt.Threshold, receipt.Bits, receipt.Identities));
        Assert.Equal(SecureSumReceipt.InTheOpen, ideal.State.Rounds[0].SecureAggregation!.Identities);
        Assert.Null(clear.State.Rounds[0].SecureAggregation);

        // What a client sends beside its packed vector is at most 300 bytes for each neighbour.
        UpdateRingLength(full, out long vector);
        Assert.InRange(receipt.BytesUp - 8 * vector, 1, 8 * 7 * 300);
        Assert.Equal(receipt.BytesUp, full.State.Rounds[0].BytesUp);

        // Metrics of single clients are summed in sessions of their own.
        Assert.All(full.State.Evaluations, evaluation => Assert.Equal((8, SecureSumReceipt.Roster), (evaluation.SecureAggregation!.Survivors, evaluation.SecureAggregation.Identities)));
    }

    [Fact]
    public void A_weight_without_a_bound_is_refused()
    {
        FedCoreException fault = Assert.Throws<FedCoreException>(() => SmallRun.Plan(change: run => run with { SecureAggregation = new SecureAggregationPolicy() }));
        Assert.Equal("run.composition", fault.Code);
        Assert.Contains("training.maxExamples is not set. Set it to about the examples of a large client", fault.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(2, "run.cohort", "secureAggregation.minimumCohort is 3, but rounds.cohort has 2 of the 2 clients")]
    public async Task Too_few_clients_are_refused_before_the_run(int clients, string code, string message)
    {
        FedCoreException fault = await Assert.ThrowsAsync<FedCoreException>(() => SmallRun.RunAsync(Plan(), clients: clients));
        Assert.Equal(code, fault.Code);
        Assert.Contains(message, fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_ring_that_is_too_small_for_the_cohort_is_refused_before_the_run()
    {
        FedCoreException fault = await Assert.ThrowsAsync<FedCoreException>(() => SmallRun.RunAsync(Plan(secure: new SecureAggregationPolicy { Bits = 4 }), clients: 20));
        Assert.Equal("secagg.ring", fault.Code);
        Assert.Contains("the smallest that fits has 7", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task More_dropouts_than_the_threshold_can_do_without_are_refused_before_the_run()
    {
        FedCoreException fault = await Assert.ThrowsAsync<FedCoreException>(() => SmallRun.RunAsync(Plan(secure: new SecureAggregationPolicy { MaximumDropout = 0.4 })));
        Assert.Equal("secagg.parameters", fault.Code);
        Assert.Contains("6 of 8 clients must stay", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Masks_for_a_run_in_the_clear_are_refused() =>
        Assert.Equal("run.secure-aggregation", (await Assert.ThrowsAsync<FedCoreException>(() => SmallRun.RunAsync(Plan(secure: null), Full))).Code);

    private static SimulationOptions Full => new() { SecureAggregation = SecureSumMode.Full };

    private static readonly SecureAggregationPolicy Default = new();

    private static RunPlan Plan(IStrategy? strategy = null, RoundPolicy? rounds = null, Func<RunDefinition, RunDefinition>? change = null) => Plan(Default, strategy, rounds, change);

    private static RunPlan Plan(SecureAggregationPolicy? secure, IStrategy? strategy = null, RoundPolicy? rounds = null, Func<RunDefinition, RunDefinition>? change = null) => SmallRun.Plan(
        rounds, strategy, new Rounds.TrainingPlan { Epochs = 2, BatchSize = 6, LearningRate = 0.1, MaxExamples = 20 }, change: run => (change?.Invoke(run) ?? run) with { SecureAggregation = secure });

    private static IStrategy Create(string name) => name switch
    {
        "fedavg" => new FedAvg(),
        "fedprox" => new FedProx { Mu = 0.1 },
        "fednova" => new FedNova(),
        "qfedavg" => new QFedAvg { Q = 1 },
        "scaffold" => new Scaffold(),
        "feddyn" => new FedDyn(),
        "fedavg+adam" => new FedAvg { Server = new ServerAdam { LearningRate = 0.01 } },
        "fedavg+momentum" => new FedAvg { Server = new ServerMomentum() },
        _ => throw new ArgumentOutOfRangeException(nameof(name)),
    };

    private static string Metrics(SimulationResult result) =>
        string.Join('\n', result.State.Evaluations.Select(evaluation => string.Join(' ', evaluation.Metrics.OrderBy(metric => metric.Key).Select(metric => $"{metric.Key}={metric.Value:R}"))));

    private static void UpdateRingLength(SimulationResult result, out long length)
    {
        RunPlan plan = Plan();
        length = plan.RingFor(SumPurpose.Update, 8).Encoding.ByteLength;
        Assert.Equal(plan.Hash, result.State.Rounds[0].Run);
    }
}
