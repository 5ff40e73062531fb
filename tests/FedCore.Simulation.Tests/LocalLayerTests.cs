using FedCore.Models;
using FedCore.Models.Layers;
using FedCore.Models.Losses;
using FedCore.Numerics;
using FedCore.Rounds;
using FedCore.Rounds.Selection;
using FedCore.Strategies;
using FedCore.Updates;

namespace FedCore.Simulation.Tests;

/// <summary>Layers that stay with the clients (FedPer, FedBN), and running means that are averaged.</summary>
public class LocalLayerTests
{
    private const int Hidden = 5, Shared = 6 * Hidden + Hidden, Own = Hidden * 3 + 3;

    private static readonly ModelSpec FedPer = Model([new LinearSpec { Outputs = Hidden }, new TanhSpec(), new LinearSpec { Outputs = 3, Local = true }]);

    private static ModelSpec Normalised(bool local) =>
        Model([new LinearSpec { Outputs = Hidden }, new BatchNormSpec { Local = local }, new TanhSpec(), new LinearSpec { Outputs = 3 }]);

    [Fact]
    public async Task What_is_local_is_neither_sent_nor_moved_by_the_server()
    {
        RunPlan plan = Plan(FedPer);
        Assert.Equal((Shared, Own, Shared * 4L), (plan.Model.Schema.TrainableCount, plan.Model.Schema.LocalCount, plan.TaskBytes));
        Assert.Equal(Shared, plan.TrainLayout.VectorLength);
        using SimulationResult result = await SmallRun.RunAsync(plan);
        using ModelState first = ModelState.Initialize(plan.Model, plan.World.Stream("model"));
        Assert.Equal(first.Local.AsSpan().ToArray(), result.Server.Model.Local.AsSpan().ToArray());
        Assert.NotEqual(first.Trainable.AsSpan().ToArray(), result.Server.Model.Trainable.AsSpan().ToArray());
    }

    // A client's own layer goes on from where it was: by hand, with the workspace of the engine.
    [Fact]
    public async Task A_clients_own_layer_goes_on_from_round_to_round()
    {
        RunPlan plan = Plan(FedPer, evaluation: new EvaluationPlan { Splits = [DataSplit.Train] });
        using var state = new InMemoryClientState();
        using ModelState model = ModelState.Initialize(plan.Model, plan.World.Stream("model"));
        using var workspace = new Training.Engine.EmbeddedTrainer().CreateWorkspace(plan);
        ClientTask work = plan.Definition.Strategy.Plan(new RoundContext(plan, 1, 8), new ClientDescriptor(0, new ClientId("a")));
        var data = SmallRun.Data(plan).Get(0);
        FlatVector own = state.Vector("own-parameters", Own, model.Local);
        double[] losses = new double[2];
        float[][] behind = new float[2][];
        for (int round = 1; round <= 2; round++)
        {
            var task = new TrainTask(work, round, 0, 8, model, plan.TrainLayout, null);
            Update update = await workspace.TrainAsync(task, "a", data, 40, state, TestContext.Current.CancellationToken);
            behind[round - 1] = own.AsSpan().ToArray();
            var evaluation = new EvaluateTask([DataSplit.Train], round, 0, 8, model, plan.EvaluateLayout);
            losses[round - 1] = workspace.Evaluate(evaluation, "a", data, state).Scalar("trainLoss");
        }

        Assert.NotEqual(model.Local.AsSpan().ToArray(), behind[0]);
        Assert.NotEqual(behind[0], behind[1]);
        Assert.Equal(behind[1], own.AsSpan().ToArray());
        using var fresh = new InMemoryClientState();
        double without = workspace.Evaluate(new EvaluateTask([DataSplit.Train], 3, 0, 8, model, plan.EvaluateLayout), "a", data, fresh).Scalar("trainLoss");
        Assert.True(losses[0] < without, $"{losses[0]} {without}");
    }

    public static TheoryData<string> Names => [.. Specs.Keys];

    private static readonly Dictionary<string, (ModelSpec Model, IStrategy Strategy)> Specs = new()
    {
        ["own head"] = (FedPer, new FedAvg()),
        ["own head, scaffold"] = (FedPer, new Scaffold()),
        ["batch norm"] = (Normalised(local: false), new FedProx()),
        ["batch norm, scaffold"] = (Normalised(local: false), new Scaffold()),
        ["own batch norm"] = (Normalised(local: true), new FedAvg()),
        ["own batch norm in a residual block"] = (Model(
            [
                new LinearSpec { Outputs = Hidden }, new ResidualSpec { Layers = [new BatchNormSpec { Local = true }, new TanhSpec(), new LinearSpec { Outputs = Hidden }] },
                new ResidualSpec { Layers = [new BatchNormSpec(), new LinearSpec { Outputs = Hidden }], Local = true }, new LinearSpec { Outputs = 3 },
            ]), new FedProx()),
    };

    [Theory]
    [MemberData(nameof(Names))]
    public async Task The_bits_are_the_same_for_any_number_of_threads_and_across_an_interruption(string name)
    {
        (ModelSpec model, IStrategy strategy) = Specs[name];
        RunPlan plan = Plan(model, strategy, new RoundPolicy { Count = 6, Cohort = new UniformSelection { Size = 5 } });
        using SimulationResult one = await SmallRun.RunAsync(plan, new SimulationOptions { Threads = 1 }), two = await SmallRun.RunAsync(plan, new SimulationOptions { Threads = 2 });
        Assert.Equal(one.Server.Model.Digest(), two.Server.Model.Digest());
        Assert.True(one.State.Evaluations[^1].Metrics["loss"] < one.State.Evaluations[0].Metrics["loss"]);
        using SimulationResult resumed = await SmallRun.ResumedAsync(plan, round: 3);
        Assert.Equal(one.Server.Model.Digest(), resumed.Server.Model.Digest());
        Assert.Equal(one.State.Evaluations[^1].Metrics["loss"], resumed.State.Evaluations[^1].Metrics["loss"]);
    }

    // One step over all of a client's 18 examples with momentum 1: the running means are those of the batch, and the server's the mean over the clients.
    [Fact]
    public async Task Running_means_are_averaged_over_the_clients()
    {
        RunPlan plan = Plan(
            Model([new BatchNormSpec { Momentum = 1 }, new LinearSpec { Outputs = 3 }]), new FedAvg(), new RoundPolicy { Count = 1 },
            new TrainingPlan { Steps = 1, BatchSize = 0, LearningRate = 0.1 });
        Assert.Equal(["model", "buffers", "weight", "examples", "loss", "correct"], plan.TrainLayout.Sections.Select(section => section.Name));
        using SimulationResult result = await SmallRun.RunAsync(plan);
        var data = SmallRun.Data(plan);
        double[] sums = new double[12];
        for (int client = 0; client < 8; client++)
        {
            var train = data.Get(client).Train;
            float[] features = new float[train.Count * 6];
            train.Set.CopyFeatures(train.Rows.Span, features);
            for (int i = 0; i < features.Length; i++)
            {
                sums[i % 6] += features[i] / (8.0 * train.Count);
                sums[6 + i % 6] += (double)features[i] * features[i] / (8.0 * train.Count);
            }
        }

        for (int i = 0; i < 12; i++) Assert.Equal(sums[i], result.Server.Model.Buffers.AsSpan()[i], 1e-5 * Math.Max(1, sums[i]));
    }

    // FedBN: neither scales nor running means leave the site.
    [Fact]
    public void A_local_batch_normalisation_sends_nothing()
    {
        RunPlan shared = Plan(Normalised(local: false)), own = Plan(Normalised(local: true));
        Assert.Equal((2 * Hidden, 0, 0), (shared.Model.Schema.BufferCount, shared.Model.Schema.LocalCount, shared.Model.Schema.LocalBufferCount));
        Assert.Equal((0, 2 * Hidden, 2 * Hidden), (own.Model.Schema.BufferCount, own.Model.Schema.LocalCount, own.Model.Schema.LocalBufferCount));
        Assert.False(own.TrainLayout.Has(Section.Buffers));
        Assert.Equal(shared.Model.Schema.TrainableCount - 2 * Hidden, own.Model.Schema.TrainableCount);
        Assert.True(own.KeepsClientState);
        Assert.False(shared.KeepsClientState);
    }

    // All clients have the same examples, but what one calls class 0 another calls class 1, and a third class 2: a shared head can please three of eight at most.
    [Fact]
    public async Task Own_heads_learn_what_a_shared_one_cannot()
    {
        async Task<double> AccuracyAsync(bool local)
        {
            RunPlan plan = Plan(
                Model([new LinearSpec { Outputs = Hidden }, new TanhSpec(), new LinearSpec { Outputs = 3, Local = local }]), new FedAvg(), new RoundPolicy { Count = 30 },
                new TrainingPlan { Epochs = 2, BatchSize = 6, LearningRate = 0.2 }, new EvaluationPlan { Every = 30, Splits = [DataSplit.Train] });
            using SimulationResult result = await FederatedSimulation.RunAsync(plan, new Renamed(SmallRun.Data(plan)), ct: TestContext.Current.CancellationToken);
            return result.Metrics["trainAccuracy"];
        }

        double shared = await AccuracyAsync(false), own = await AccuracyAsync(true);
        Assert.InRange(shared, 0, 0.5);
        Assert.True(own > 0.8, $"{own} {shared}");
    }

    private static ModelSpec Model(LayerSpec[] layers) => new() { Input = [6], Layers = layers, Loss = new SoftmaxCrossEntropySpec() };

    private static RunPlan Plan(ModelSpec model, IStrategy? strategy = null, RoundPolicy? rounds = null, TrainingPlan? training = null, EvaluationPlan? evaluation = null) =>
        SmallRun.Plan(rounds, strategy, training ?? new TrainingPlan { Epochs = 2, BatchSize = 6, LearningRate = 0.1 }, evaluation, change: run => run with { Model = model });

    /// <summary>Client k has the examples of the first, and calls class c class (c + k) mod 3.</summary>
    private sealed class Renamed(Training.Data.IFederatedData inner) : Training.Data.IFederatedData
    {
        public long ClientCount => inner.ClientCount;

        public string NameOf(long index) => inner.NameOf(index);

        public int TrainCountOf(long index) => inner.TrainCountOf(0);

        public Training.Data.ClientData Get(long index)
        {
            Training.Data.ClientData data = inner.Get(0);
            Training.Data.ExampleView train = data.Train;
            float[] features = new float[train.Count * 6], labels = [.. train.Rows.ToArray().Select(row => (train.Set.Label(row)[0] + index) % 3)];
            train.Set.CopyFeatures(train.Rows.Span, features);
            var view = Training.Data.ExampleView.All(new Training.Data.InMemoryExamples(new Shape(6), features, labels));
            return new Training.Data.ClientData(view, view);
        }
    }
}
