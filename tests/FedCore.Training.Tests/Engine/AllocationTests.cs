using FedCore.Models;
using FedCore.Optimizers;
using FedCore.Rounds;
using FedCore.Strategies;
using FedCore.Training.Data;
using FedCore.Training.Engine;

namespace FedCore.Training.Tests.Engine;

/// <summary>A training step allocates nothing, once what it uses is there.</summary>
public class AllocationTests
{
    private static readonly Dictionary<string, OptimizerSpec> Optimizers = new()
    {
        ["sgd"] = new SgdSpec(),
        ["momentum"] = new SgdSpec { Momentum = 0.9 },
        ["nesterov and decay"] = new SgdSpec { Momentum = 0.9, Nesterov = true, WeightDecay = 0.01 },
        ["adam"] = new AdamSpec { WeightDecay = 0.01 },
    };

    public static TheoryData<string> OptimizerNames => [.. Optimizers.Keys];

    [Theory]
    [MemberData(nameof(OptimizerNames))]
    public void A_step_of_a_model_with_every_layer_allocates_nothing(string optimizer)
    {
        foreach (ModelSpec model in (ModelSpec[])[Plans.EveryLayer, Plans.EverySequenceLayer])
        {
            using var client = new RandomClient(Plans.Of(model, Optimizers[optimizer]));
            Assert.Equal(0, BytesOf(() => client.Model.TrainStep(0.01f)));
            Assert.Equal(0, BytesOf(() =>
            {
                client.Model.ComputeGradients();
                client.Model.Step(0.01f);
            }));
        }
    }

    [Fact]
    public void Norms_of_single_examples_allocate_nothing()
    {
        foreach (ModelSpec model in (ModelSpec[])[Plans.EveryLayer, Plans.EverySequenceLayer])
        {
            using var client = new RandomClient(Plans.Of(model));
            Assert.Equal(0, BytesOf(() => client.Model.ComputeSquaredGradientNorms()));
            Assert.Equal(0, BytesOf(() => client.Model.ComputeClippedGradients(1)));
        }
    }

    // FedProx corrects gradients between gradient and step; clipping reads them, too.
    [Theory]
    [InlineData(null)]
    [InlineData(0.5)]
    public async Task The_standard_loop_allocates_as_much_for_many_steps_as_for_few(double? clipNorm)
    {
        RunPlan plan = Plans.Of(Plans.EveryLayer, new SgdSpec { Momentum = 0.9 }, new FedProx { Mu = 0.1 });
        using ITrainingWorkspace workspace = new EmbeddedTrainer().CreateWorkspace(plan);
        using ModelState model = ModelState.Initialize(plan.Model, Draw.Stream("model"));
        ClientData data = RandomClient.ExamplesFor(plan);
        var work = new ClientTask { Round = 1, Work = new LocalWork(1, 0), BatchSize = 4, LearningRate = 0.01, ClipNorm = clipNorm };
        var task = new TrainTask(work, 1, 0, 1, model, plan.TrainLayout, null);
        long few = long.MaxValue, many = long.MaxValue;
        for (int i = 0; i < 10; i++)
        {
            few = Math.Min(few, await TrainAsync(5));
            many = Math.Min(many, await TrainAsync(100));
        }

        Assert.Equal(few, many);

        // The loop runs on this thread to its end: nothing in it waits.
        async Task<long> TrainAsync(int steps)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            ValueTask<Updates.Update> training = workspace.TrainAsync(task, "site", data, steps, RandomClient.State, TestContext.Current.CancellationToken);
            Assert.True(training.IsCompletedSuccessfully);
            long bytes = GC.GetAllocatedBytesForCurrentThread() - before;
            await training;
            return bytes;
        }
    }

    // The runtime itself allocates now and then while it compiles a method anew; a step that allocates does so in every series.
    private static long BytesOf(Action step) => Enumerable.Range(0, 10).Min(_ =>
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++) step();
        return GC.GetAllocatedBytesForCurrentThread() - before;
    });
}
