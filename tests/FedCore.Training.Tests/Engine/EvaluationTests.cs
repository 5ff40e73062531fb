using FedCore.Models;
using FedCore.Models.Layers;
using FedCore.Numerics;
using FedCore.Rounds;
using FedCore.Strategies;
using FedCore.Training.Data;
using FedCore.Training.Engine;
using FedCore.Training.Losses;

namespace FedCore.Training.Tests.Engine;

public class EvaluationTests
{
    // 150 examples are more than two of the workspace's batches.
    private const int Examples = 150;

    [Fact]
    public void Sums_over_all_examples_are_those_of_one_batch()
    {
        RunPlan plan = Plans.Of(Plans.Softmax(6, 4));
        using ModelState model = ModelState.Initialize(plan.Model, Draw.Stream("model"));
        ExampleView all = Random(plan);
        using var gradients = new FlatVector(model.Trainable.Length);
        using var network = new Network(plan.Model, EngineRegistry.CreateDefault(), Examples, model.Trainable, gradients);
        all.Set.CopyFeatures(all.Rows.Span, network.Inputs.AsSpan());
        network.Forward(Examples, training: false, null);
        Loss loss = EngineRegistry.CreateDefault().Create(plan.Model.Spec.Loss, plan.Model);
        double[] expected = new double[2];
        loss.Evaluate(network.Outputs.AsSpan(), [.. all.Rows.ToArray().Select(row => all.Set.Label(row)[0])], Examples, default, expected);

        using ITrainingWorkspace workspace = new EmbeddedTrainer().CreateWorkspace(plan);
        Updates.Update sums = Evaluate(workspace, plan, model, all);
        Assert.Equal(Examples, sums.Scalar("examples"));
        Assert.Equal(expected[0], sums.Scalar("loss"), 1e-9);
        Assert.Equal(expected[1], sums.Scalar("correct"));
    }

    [Fact]
    public void Dropout_does_nothing_in_evaluation()
    {
        ModelSpec without = Plans.Softmax(6, 4), with = without with { Layers = [new DropoutSpec { Rate = 0.9 }, new LinearSpec { Outputs = 4, Name = "linear0" }] };
        RunPlan plan = Plans.Of(without), dropping = Plans.Of(with);
        using ModelState model = ModelState.Initialize(plan.Model, Draw.Stream("model"));
        using ITrainingWorkspace workspace = new EmbeddedTrainer().CreateWorkspace(plan), droppingWorkspace = new EmbeddedTrainer().CreateWorkspace(dropping);
        Assert.Equal(
            Evaluate(workspace, plan, model, Random(plan)).Scalar("loss"), Evaluate(droppingWorkspace, dropping, model, Random(plan)).Scalar("loss"));
    }

    [Fact]
    public void No_examples_make_sums_of_zero()
    {
        RunPlan plan = Plans.Of(Plans.Softmax(6, 4));
        using ModelState model = ModelState.Initialize(plan.Model, Draw.Stream("model"));
        using ITrainingWorkspace workspace = new EmbeddedTrainer().CreateWorkspace(plan);
        Assert.All(Evaluate(workspace, plan, model, new ExampleView(Random(plan).Set, default)).Scalars.ToArray(), sum => Assert.Equal(0, sum));
    }

    private static Updates.Update Evaluate(ITrainingWorkspace workspace, RunPlan plan, ModelState model, ExampleView examples) =>
        workspace.Evaluate(new EvaluateTask([DataSplit.Test], 1, 0, 1, model, plan.EvaluateLayout), "site", new ClientData(examples, examples), new InMemoryClientState());

    private static ExampleView Random(RunPlan plan)
    {
        RandomStream random = Draw.Stream("evaluation");
        float[] labels = new float[Examples];
        foreach (ref float label in labels.AsSpan()) label = random.NextInt32(plan.Model.Label.Classes);
        return ExampleView.All(new InMemoryExamples(plan.Model.Input, Draw.Uniform(random, Examples * (int)plan.Model.Input.ElementCount), labels));
    }
}
