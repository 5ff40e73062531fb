using System.Text.Json;
using FedCore.Json;
using FedCore.Models;
using FedCore.Models.Layers;
using FedCore.Models.Losses;
using FedCore.Naming;
using FedCore.Numerics;
using FedCore.Optimizers;
using FedCore.Rounds;
using FedCore.Strategies;
using FedCore.Training.Data;
using FedCore.Training.Engine;

namespace FedCore.Training.Tests.Registration;

/// <summary>A program's own layer, loss and optimizer, registered by name and with the engine, are trained like those that are there already.</summary>
public class OwnPartsTests
{
    private static readonly ModelSpec Scale = new() { Input = [2], Layers = [new ScaleSpec()], Loss = new AbsoluteErrorSpec() };

    [Fact]
    public async Task Own_layer_loss_and_optimizer_learn_the_factors_of_the_data()
    {
        RunPlan plan = Plans.Of(Scale, new SignSpec(), registry: Names());
        ClientData data = Examples(new RandomKeys([], 1).Stream("own"));
        using ITrainingWorkspace workspace = new EmbeddedTrainer(Engine()).CreateWorkspace(plan);
        using ModelState model = ModelState.Initialize(plan.Model, Draw.Stream("model"));
        Assert.Equal([1f, 1f], model.Trainable.AsSpan().ToArray());

        // From 1 the factors 3 and -2 are 2 and 3 away: 300 steps of .01. They swing around the first one by a step.
        const int steps = 301;
        var work = new ClientTask
        {
            Round = 1,
            Work = new LocalWork(0, steps),
            BatchSize = 0,
            LearningRate = 0.01,
            Weighting = new ClientWeighting(Uniform: true, 0),
        };
        Updates.Update update = await workspace.TrainAsync(
            new TrainTask(work, 1, 0, 1, model, plan.TrainLayout, null), "site", data, steps, FedCore.Training.Tests.Engine.RandomClient.State, TestContext.Current.CancellationToken);
        float[] change = update.ReadBlock(0).ToArray();
        Assert.Equal(2, change[0], 0.02f);
        Assert.Equal(-3, change[1], 0.02f);

        for (int i = 0; i < change.Length; i++) model.Trainable.AsSpan()[i] += change[i];
        Updates.Update sums = workspace.Evaluate(new EvaluateTask([DataSplit.Test], 2, 0, 1, model, plan.EvaluateLayout), "site", data, new InMemoryClientState());
        Assert.Equal(data.Test.Count, sums.Scalar("examples"));
        Assert.Equal(data.Test.Count, sums.Scalar("near"), 1e-9);
        Assert.InRange(sums.Scalar("loss") / sums.Scalar("examples"), 0, 0.02);
    }

    // Plain gradient descent may be fused; a layer that does not move its parameters itself is stepped by the network.
    [Fact]
    public void An_own_layer_with_the_standard_optimizer_steps_along_its_gradient()
    {
        using var client = new Engine.RandomClient(Plans.Of(Scale, registry: Names()), Engine());
        client.Model.TrainStep(0.5f);
        float[] moved = client.Model.Parameters.AsSpan().ToArray();
        using var again = new Engine.RandomClient(Plans.Of(Scale, registry: Names()), Engine());
        again.Model.ComputeGradients();
        Assert.Equal(again.Model.Gradients.AsSpan().ToArray().Select(g => 1 - 0.5f * g), moved);
    }

    [Fact]
    public void Two_own_layers_in_one_pass_have_the_tensors_of_both()
    {
        RunPlan plan = Plans.Of(Scale with { Layers = [new ScaleSpec(), new ScaleSpec(), new ScaleSpec()] }, registry: Names());
        int made = 0;
        EngineRegistry pairs = Engine().AddPair<ScaleSpec, ScaleSpec>((_, _, site) =>
        {
            made++;
            return new TwiceScaleLayer(site.Size);
        });
        using Engine.RandomClient apart = new(plan, Engine()), together = new(plan, pairs);
        for (int step = 0; step < 3; step++)
        {
            apart.Model.TrainStep(0.1f);
            together.Model.TrainStep(0.1f);
        }

        Assert.Equal(1, made);
        Assert.Equal(apart.Model.Parameters.AsSpan().ToArray(), together.Model.Parameters.AsSpan().ToArray());
    }

    [Fact]
    public void Own_arithmetic_for_layers_that_are_there_already_is_given_random_numbers()
    {
        RunPlan plan = Plans.Of(Plans.Softmax(2, 2) with { Layers = [new ReluSpec(), new TanhSpec(), new LinearSpec { Outputs = 2 }] });
        var engine = EngineRegistry.CreateDefault().AddPair<ReluSpec, TanhSpec>((_, _, site) => new ScaleLayer(site.Size));
        using Numerics.FlatVector parameters = new(plan.Model.Schema.TrainableCount), gradients = new(plan.Model.Schema.TrainableCount);
        using Network own = new(plan.Model, engine, 1, parameters, gradients), standard = new(plan.Model, EngineRegistry.CreateDefault(), 1, parameters, gradients);
        Assert.True(own.UsesRandom);
        Assert.False(standard.UsesRandom);
    }

    [Fact]
    public void Own_parts_stand_in_run_files_with_their_parameters()
    {
        Registry names = Names();
        RunDefinition definition = Plans.Of(Scale with { Loss = new AbsoluteErrorSpec { Threshold = 0.25 } }, new SignSpec(), registry: names).Definition;
        JsonSerializerOptions options = FedCoreJson.Options(names);
        string json = JsonSerializer.Serialize(definition, options);
        Assert.Contains("\"threshold\":0.25", json, StringComparison.Ordinal);
        RunDefinition read = JsonSerializer.Deserialize<RunDefinition>(json, options)!;
        Assert.IsType<ScaleSpec>(read.Model.Layers[0]);
        Assert.Equal(0.25, Assert.IsType<AbsoluteErrorSpec>(read.Model.Loss).Threshold);
        Assert.IsType<SignSpec>(read.Training.Optimizer);
    }

    [Fact]
    public void What_has_no_name_is_refused_with_a_hint()
    {
        var fault = Assert.Throws<FedCoreException>(() => Plans.Of(Scale, registry: Registry.CreateDefault()));
        Assert.Equal("run.unregistered", fault.Code);
        Assert.Contains("registry.Register", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_the_engine_cannot_compute_is_refused_by_its_type()
    {
        var softmax = Plans.Softmax(2, 2);
        AssertUnknown(nameof(ScaleSpec), softmax with { Layers = [new ScaleSpec(), .. softmax.Layers] }, new SgdSpec());
        AssertUnknown(nameof(AbsoluteErrorSpec), softmax with { Loss = new AbsoluteErrorSpec() }, new SgdSpec());
        AssertUnknown(nameof(SignSpec), softmax, new SignSpec());

        static void AssertUnknown(string type, ModelSpec model, OptimizerSpec optimizer)
        {
            RunPlan plan = Plans.Of(model, optimizer, registry: Names());
            var fault = Assert.Throws<FedCoreException>(() => new Engine.RandomClient(plan));
            Assert.Equal("engine.unknown", fault.Code);
            Assert.Contains(type, fault.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_loss_that_sums_other_than_it_declares_is_refused()
    {
        EngineRegistry engine = EngineRegistry.CreateDefault().AddLayer<ScaleSpec>((_, site) => new ScaleLayer(site.Size))
            .AddLoss<AbsoluteErrorSpec>((_, _) => new TooManySums());
        var fault = Assert.Throws<FedCoreException>(() => new Engine.RandomClient(Plans.Of(Scale, registry: Names()), engine));
        Assert.Equal("engine.metrics", fault.Code);
        Assert.Contains("declares 1 metrics", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_model_without_anything_to_train_is_refused()
    {
        var fault = Assert.Throws<FedCoreException>(() => Plans.Of(Scale with { Layers = [new ReluSpec()], Loss = new MeanSquaredErrorSpec() }));
        Assert.Equal("run.invalid", fault.Code);
        Assert.Contains("nothing to train", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_tensor_that_is_not_trained_is_refused_by_name()
    {
        Registry names = Names().Register<LayerSpec, FrozenSpec>("frozen");
        RunPlan plan = Plans.Of(Scale with { Layers = [new FrozenSpec(), new ScaleSpec()] }, registry: names);
        EngineRegistry engine = Engine().AddLayer<FrozenSpec>((_, site) => new ScaleLayer(site.Size));
        var fault = Assert.Throws<FedCoreException>(() => new Engine.RandomClient(plan, engine));
        Assert.Equal("engine.role", fault.Code);
        Assert.Contains("frozen0.factor", fault.Message, StringComparison.Ordinal);
    }

    private static Registry Names() => Registry.CreateDefault()
        .Register<LayerSpec, ScaleSpec>("scale").Register<LossSpec, AbsoluteErrorSpec>("absoluteError").Register<OptimizerSpec, SignSpec>("sign");

    private static EngineRegistry Engine() => EngineRegistry.CreateDefault()
        .AddLayer<ScaleSpec>((_, site) => new ScaleLayer(site.Size))
        .AddLoss<AbsoluteErrorSpec>((spec, _) => new AbsoluteErrorLoss(spec.Threshold))
        .AddOptimizer<SignSpec>((_, _) => new SignOptimizer());

    // y = (3 x0, -2 x1).
    private static ClientData Examples(RandomStream random)
    {
        float[] x = Draw.Uniform(random, 16), y = [.. x.Select((value, i) => value * (i % 2 == 0 ? 3 : -2))];
        ExampleView all = ExampleView.All(new InMemoryExamples(new Shape(2), x, y, labelWidth: 2));
        return new ClientData(all, all);
    }

    private sealed record FrozenSpec : LayerSpec
    {
        public override LayerPlan Plan(Shape input) => new(input, new TensorSpec("factor", input, default, TensorRole.Frozen));
    }

    private sealed class TooManySums : Training.Losses.Loss
    {
        public override int SumCount => 3;

        public override void Evaluate(ReadOnlySpan<float> outputs, ReadOnlySpan<float> labels, int batch, Span<float> gradient, Span<double> sums) =>
            throw new NotSupportedException();
    }
}
