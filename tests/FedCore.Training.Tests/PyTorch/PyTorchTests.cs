using System.Text.Json;
using FedCore.Json;
using FedCore.Models;
using FedCore.Naming;
using FedCore.Numerics;
using FedCore.Optimizers;
using FedCore.Rounds;
using FedCore.Strategies;
using FedCore.Tests;
using FedCore.Training.Data;
using FedCore.Training.Engine;

namespace FedCore.Training.Tests.PyTorch;

/// <summary>
/// Models that record.py trained in PyTorch 1.13, in double precision: forward pass, gradients and 20 steps of the product's engine must be the same.
/// </summary>
public sealed class PyTorchTests
{
    // A forward and backward pass of these models is some hundred roundings of u = 6e-8 deep; 1e-6 is 16 of them in a row, all the same way.
    private const float PassTolerance = 1e-6f;

    // Roundings of 20 steps add up, and Adam divides by the root of small numbers.
    private const float TrainingTolerance = 1e-5f;

    private static readonly JsonElement[] Recorded = Read();

    public static TheoryData<string> Names => [.. Recorded.Select(recorded => recorded.GetProperty("name").GetString()!)];

    [Theory]
    [MemberData(nameof(Names))]
    public void Outputs_loss_and_gradients_are_PyTorchs(string name)
    {
        using var run = new Run(name);
        run.Model.ComputeGradients();
        AssertNear(run.Numbers("outputs"), run.Network.Outputs.AsSpan(), PassTolerance, "output");
        AssertNear(run.Numbers("gradients"), run.Model.Gradients.AsSpan(), PassTolerance, "gradient");
        AssertNear([run.Numbers("losses")[0]], [(float)run.MeanLoss(steps: 1)], PassTolerance, "loss");
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Twenty_steps_end_where_PyTorchs_end(string name)
    {
        using var run = new Run(name);
        for (int step = 0; step < run.Steps; step++) run.Model.TrainStep(run.LearningRate);
        AssertNear(run.Numbers("final"), run.Model.Parameters.AsSpan(), TrainingTolerance, "parameter");
        AssertNear([run.Numbers("losses").Average()], [(float)run.MeanLoss(run.Steps)], TrainingTolerance, "mean loss");
    }

    // What a strategy that corrects gradients does: no step is fused.
    [Theory]
    [MemberData(nameof(Names))]
    public void Twenty_gradients_and_steps_end_where_PyTorchs_end(string name)
    {
        using var run = new Run(name);
        for (int step = 0; step < run.Steps; step++)
        {
            run.Model.ComputeGradients();
            run.Model.Step(run.LearningRate);
        }

        AssertNear(run.Numbers("final"), run.Model.Parameters.AsSpan(), TrainingTolerance, "parameter");
    }

    public static TheoryData<string> Normalised =>
        [.. Recorded.Where(recorded => recorded.TryGetProperty("evaluated", out _)).Select(recorded => recorded.GetProperty("name").GetString()!)];

    // What evaluation remembers of the batches.
    [Theory]
    [MemberData(nameof(Normalised))]
    public void Behind_twenty_steps_evaluation_gives_PyTorchs_outputs(string name)
    {
        using var run = new Run(name);
        for (int step = 0; step < run.Steps; step++) run.Model.TrainStep(run.LearningRate);
        AssertNear(run.Numbers("evaluated"), run.Evaluate(), TrainingTolerance, "output");
    }

    [Fact]
    public void Every_layer_loss_and_optimizer_is_recorded()
    {
        var registry = Registry.CreateDefault();
        string text = File.ReadAllText(RecordedPath);
        IEnumerable<string> names = new[] { typeof(Models.Layers.LayerSpec), typeof(Models.Losses.LossSpec), typeof(OptimizerSpec) }
            .SelectMany(kind => registry.NamesOf(kind).Keys);
        Assert.All(names, name => Assert.Matches($"\"type\": ?\"{name}\"", text));
    }

    private static string RecordedPath => Path.Combine(SharedData.Repository, "tests", "FedCore.Training.Tests", "PyTorch", "recorded.json");

    private static JsonElement[] Read()
    {
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(RecordedPath));
        return [.. document.RootElement.GetProperty("cases").EnumerateArray().Select(recorded => recorded.Clone())];
    }

    private static void AssertNear(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual, float tolerance, string what)
    {
        Assert.True(expected.Length <= actual.Length, $"{expected.Length} numbers of {what} were recorded, but there are {actual.Length}.");
        for (int i = 0; i < expected.Length; i++)
        {
            float allowed = tolerance * Math.Max(1, Math.Abs(expected[i]));
            if (!(Math.Abs(expected[i] - actual[i]) <= allowed)) Assert.Fail($"{what} {i} is {actual[i]:R}, but PyTorch's is {expected[i]:R}");
        }
    }

    private sealed class Run : IDisposable, IBatchOrder
    {
        private readonly JsonElement _recorded;
        private readonly RunPlan _plan;
        private readonly int[][] _batches;
        private readonly FlatVector _parameters;
        private int _next;

        public Run(string name)
        {
            _recorded = Recorded.Single(recorded => recorded.GetProperty("name").GetString() == name);
            var registry = Registry.CreateDefault();
            JsonSerializerOptions options = FedCoreJson.Options(registry);
            _plan = RunPlan.Create(
                new RunDefinition
                {
                    Name = name,
                    Model = _recorded.GetProperty("model").Deserialize<ModelSpec>(options)!,
                    Strategy = new FedAvg(),
                    Training = new TrainingPlan
                    {
                        LearningRate = _recorded.GetProperty("learningRate").GetDouble(),
                        Optimizer = _recorded.GetProperty("optimizer").Deserialize<OptimizerSpec>(options)!,
                    },
                    Rounds = new RoundPolicy { Count = 1 },
                },
                registry);
            _batches = [.. _recorded.GetProperty("batches").EnumerateArray().Select(batch => batch.EnumerateArray().Select(row => row.GetInt32()).ToArray())];
            var examples = new InMemoryExamples(_plan.Model.Input, Numbers("inputs"), Numbers("labels"), _recorded.GetProperty("labelWidth").GetInt32());
            _parameters = new FlatVector(_plan.Model.Schema.TrainableCount);
            float[] initial = Numbers("initial");
            Assert.Equal(_parameters.Length, initial.Length);
            initial.CopyTo(_parameters.AsSpan());
            Model = new LocalModel(_plan, EngineRegistry.CreateDefault(), _parameters);
            Network = Model.NetworkFor(_batches[0].Length);
            Model.Begin(ExampleView.All(examples), this, _plan.Random.Stream("dropout"));
            using var state = ModelState.Initialize(_plan.Model, _plan.World.Stream("model"));
            Model.Buffers.CopyFrom(state.Buffers);
        }

        public LocalModel Model { get; }

        public Network Network { get; }

        public int Steps => _batches.Length;

        public float LearningRate => (float)_plan.Definition.Training.LearningRate;

        public float[] Numbers(string property) => [.. _recorded.GetProperty(property).EnumerateArray().Select(number => number.GetSingle())];

        /// <summary>The mean over all examples of so many steps, by the sums that the engine reports.</summary>
        public double MeanLoss(int steps)
        {
            var update = new Updates.Update(_plan.TrainLayout, new FlatVector(_plan.TrainLayout.VectorLength));
            Model.WriteMetrics(update);
            update.Values.Dispose();
            Assert.Equal(steps * _batches[0].Length, update.Scalar("examples"));
            return update.Scalar("loss") / update.Scalar("examples");
        }

        /// <summary>The outputs of all examples, in evaluation.</summary>
        public float[] Evaluate()
        {
            float[] inputs = Numbers("inputs");
            Network network = Model.NetworkFor(inputs.Length / Network.InputLength);
            inputs.CopyTo(network.Inputs.AsSpan());
            network.Forward(inputs.Length / network.InputLength, training: false, null);
            return network.Outputs.AsSpan().ToArray();
        }

        public ReadOnlySpan<int> Next() => _batches[_next++];

        public void Dispose()
        {
            Model.Dispose();
            _parameters.Dispose();
        }
    }
}
