using System.Buffers;
using FedCore.Compression;
using FedCore.Compression.Formats;
using FedCore.Compression.Sparsifiers;
using FedCore.Models;
using FedCore.Models.Layers;
using FedCore.Models.Losses;
using FedCore.Numerics;
using FedCore.Optimizers;
using FedCore.Privacy;
using FedCore.Rounds;
using FedCore.Rounds.Privacy;
using FedCore.Strategies;
using FedCore.Training;
using FedCore.Training.Data;
using FedCore.Training.Engine;
using FedCore.Updates;

namespace FedCore.Client.Tests.Resources;

/// <summary>The estimate beside what a training really takes: model, examples, a step, and the update's bytes.</summary>
[Collection(WholeProcess.Name)]
public class MemoryEstimateTests
{
    // A few MB of code and tables come with every kind of layer when it is first used.
    private const double Least = 0.8, Most = 2;

    public static TheoryData<string> Cases => [.. Plans.Keys];

    private static Dictionary<string, Func<(RunPlan Plan, int Examples)>> Plans { get; } = new()
    {
        ["many weights"] = () => (Of(Dense(3000)), 100),
        ["many weights, large batch"] = () => (Of(Dense(3000), batch: 256), 512),
        ["momentum"] = () => (Of(Dense(2500), optimizer: new SgdSpec { Momentum = 0.9 }), 100),
        ["Adam"] = () => (Of(Dense(2500), optimizer: new AdamSpec()), 100),
        ["SCAFFOLD"] = () => (Of(Dense(2500), strategy: new Scaffold()), 100),
        ["FedDyn"] = () => (Of(Dense(2500), strategy: new FedDyn()), 100),
        ["top-k in 8 bits"] = () => (Of(Dense(2500), transforms: [new TopK { Share = 0.1 }, new Int8()]), 100),
        ["local layer"] = () => (Of(Dense(2500, local: true)), 100),
        ["hidden examples"] = () => (Hiding(Dense(2500), 0.1), 512),
        ["hidden examples in several goes"] = () => (Hiding(Dense(2500), 0.5), 2048),
        ["many examples"] = () => (Of(Dense(10)), 40_000),
        ["convolutions"] = () => (Of(Images(), batch: 128), 256),
        ["residual blocks"] = () => (Of(Blocks(), batch: 64), 128),
        ["dropout"] = () => (Of(Wide(), batch: 2000), 2000),
        ["LSTM"] = () => (Of(Recurrent(), batch: 32), 64),
        ["attention"] = () => (Of(Attentive(), batch: 16), 32),
    };

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task An_estimate_is_of_the_order_of_what_a_training_takes(string name)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Memory is measured by /proc, which is Linux's.");
        (RunPlan plan, int examples) = Plans[name]();

        // What is compiled and kept for every later training is not the task's: the same once, for a start.
        await MeasuredMemory.OnThreadOfItsOwnAsync(() => TrainAsync(plan, examples, null));
        MemoryEstimate? estimate = null;
        long measured = await MeasuredMemory.PeakOfAsync(() => TrainAsync(plan, examples, found => estimate = found));
        double ratio = (double)estimate!.Total / measured;
        TestContext.Current.SendDiagnosticMessage($"{name}: estimated {estimate.Total / 1e6:F0} MB, measured {measured / 1e6:F0} MB, ratio {ratio:F2} ({estimate})");
        Assert.True(measured > 40_000_000, $"{measured} bytes are too few to be measured.");
        Assert.InRange(ratio, Least, Most);
    }

    [Fact]
    public void Each_part_of_the_estimate_follows_from_what_it_names()
    {
        ClientData few = Examples(Of(Dense(100)), 50), many = Examples(Of(Dense(100)), 5000);
        MemoryEstimate plain = MemoryEstimate.Of(Of(Dense(100)), few);
        Assert.Equal(784 * 100 + 100 + 100 * 100 + 100 + 100 * 10 + 10, plain.Model / 4);
        Assert.Equal(plain with { Examples = plain.Examples + 4950 * (785 * 4 + 4 + 4) }, MemoryEstimate.Of(Of(Dense(100)), many));
        MemoryEstimate adam = MemoryEstimate.Of(Of(Dense(100), optimizer: new AdamSpec()), few);
        Assert.Equal(plain with { Training = plain.Training + 2 * plain.Model }, adam);

        // A control variate from the server, one of the client's own, and one in the update.
        MemoryEstimate scaffold = MemoryEstimate.Of(Of(Dense(100), strategy: new Scaffold()), few);
        Assert.Equal(3 * plain.Model, scaffold.Model);
        Assert.Equal(plain.Training, scaffold.Training);
        Assert.Equal(plain.Update + 2 * plain.Model, scaffold.Update);
    }

    private static async Task TrainAsync(RunPlan plan, int examples, Action<MemoryEstimate>? estimate)
    {
        using var model = new ModelState(plan.Model.Schema);
        ClientData data = Examples(plan, examples);
        estimate?.Invoke(MemoryEstimate.Of(plan, data));
        using var state = new InMemoryClientState();
        var broadcasts = plan.Definition.Strategy.Broadcasts.ToDictionary(name => name, _ => new FlatVector(plan.Model.Schema.TrainableCount));
        try
        {
            using ITrainingWorkspace workspace = new EmbeddedTrainer().CreateWorkspace(plan);
            var work = plan.Definition.Strategy.Plan(new RoundContext(plan, 1, 1), new ClientDescriptor(0, new ClientId("site")));
            var task = new TrainTask(work, 1, 0, 1, model, plan.TrainLayout, null) { Broadcasts = broadcasts };
            Update update = await workspace.TrainAsync(task, "site", data, steps: 1, state, TestContext.Current.CancellationToken);
            using UpdateEncoder encoder = plan.WireCodec.CreateEncoder();
            encoder.Encode(update, state, 1, plan.Random.Stream("rounding", 1, "site"), new ArrayBufferWriter<byte>(checked((int)plan.UpdateBytes + 4096)));
            workspace.Evaluate(new EvaluateTask(plan.Definition.Evaluation.Splits, 1, 0, 1, model, plan.EvaluateLayout), "site", data, state);
        }
        finally
        {
            foreach (FlatVector vector in broadcasts.Values) vector.Dispose();
        }
    }

    private static ClientData Examples(RunPlan plan, int count)
    {
        // Whole numbers, for models that take tokens.
        float[] features = new float[count * plan.Model.Input.ElementCount], labels = new float[count * plan.Model.Label.Width];
        for (int i = 0; i < features.Length; i++) features[i] = i % 7;
        for (int i = 0; i < labels.Length; i++) labels[i] = i % plan.Model.Label.Classes;
        ExampleView all = ExampleView.All(new InMemoryExamples(plan.Model.Input, features, labels, plan.Model.Label.Width));
        return new ClientData(all, new ExampleView(all.Set, all.Rows[..1]));
    }

    private static RunPlan Of(
        ModelSpec model, int batch = 32, OptimizerSpec? optimizer = null, IStrategy? strategy = null, IReadOnlyList<IUpdateTransform>? transforms = null)
    {
        RunPlan plan = Runs.Plan(model, training: new TrainingPlan { LearningRate = 0.01, BatchSize = batch, Optimizer = optimizer ?? new SgdSpec() }, strategy: strategy);
        return RunPlan.Create(plan.Definition with { Transforms = transforms ?? [], Evaluation = new EvaluationPlan { Splits = [DataSplit.Train] } }, Runs.Names);
    }

    private static RunPlan Hiding(ModelSpec model, double rate)
    {
        RunDefinition plain = Of(model).Definition;
        return RunPlan.Create(
            plain with
            {
                Training = plain.Training with { WeightBy = WeightBy.Uniform },
                Privacy = new PrivacyPolicy { Unit = PrivacyUnit.Example, Clip = 1, NoiseMultiplier = 1, SamplingRate = rate, Delta = 1e-5, PublicEvaluation = true },
                Evaluation = new EvaluationPlan { Every = 0 },
            },
            Runs.Names);
    }

    private static ModelSpec Dense(int width, bool local = false) => Model(
        [784],
        new LinearSpec { Outputs = width }, new ReluSpec(), new LinearSpec { Outputs = width, Local = local }, new TanhSpec(), new ReluSpec(), new LinearSpec { Outputs = 10 });

    private static ModelSpec Wide() => Model(
        [784], new LinearSpec { Outputs = 2000 }, new ReluSpec(), new DropoutSpec { Rate = 0.5 }, new LinearSpec { Outputs = 2000 }, new GeluSpec(), new LinearSpec { Outputs = 10 });

    private static ModelSpec Images() => Model(
        [32, 32, 3],
        new Conv2dSpec { Channels = 32, Kernel = 3, Padding = 1 }, new ReluSpec(), new MaxPool2dSpec { Size = 2 },
        new Conv2dSpec { Channels = 64, Kernel = 3, Padding = 1, Stride = 2 }, new ReluSpec(), new FlattenSpec(), new LinearSpec { Outputs = 10 });

    private static ModelSpec Blocks() => Model(
        [24, 24, 16],
        new ResidualSpec { Layers = [new Conv2dSpec { Channels = 16, Kernel = 3, Padding = 1 }, new GroupNormSpec { Groups = 4 }, new ReluSpec(), new Conv2dSpec { Channels = 16, Kernel = 3, Padding = 1 }] },
        new BatchNormSpec(), new ReluSpec(),
        new ResidualSpec
        {
            Layers = [new Conv2dSpec { Channels = 32, Kernel = 3, Stride = 2, Padding = 1 }, new BatchNormSpec(), new DropoutSpec { Rate = 0.2 }],
            Shortcut = [new Conv2dSpec { Channels = 32, Kernel = 1, Stride = 2 }],
        },
        new AveragePool2dSpec { Size = 2 }, new FlattenSpec(), new LinearSpec { Outputs = 10 });

    private static ModelSpec Recurrent() => Model(
        [80], new EmbeddingSpec { Vocabulary = 100, Width = 64 }, new LstmSpec { Units = 256, ReturnSequences = true }, new LstmSpec { Units = 128 }, new LinearSpec { Outputs = 10 });

    private static ModelSpec Attentive() => Model(
        [256],
        new EmbeddingSpec { Vocabulary = 100, Width = 64, Positions = true }, new ResidualSpec { Layers = [new LayerNormSpec(), new AttentionSpec { Heads = 8 }] },
        new ResidualSpec { Layers = [new LayerNormSpec(), new LinearSpec { Outputs = 256 }, new GeluSpec(), new LinearSpec { Outputs = 64 }] }, new LinearSpec { Outputs = 10 });

    private static ModelSpec Model(int[] input, params LayerSpec[] layers) => new() { Input = input, Layers = layers, Loss = new SoftmaxCrossEntropySpec() };
}
