using FedCore.Models;
using FedCore.Numerics;
using FedCore.Rounds;
using FedCore.Strategies;
using FedCore.Training.Data;
using FedCore.Training.Engine;

namespace FedCore.Training.Tests.Engine;

public class LocalTrainingTests
{
    // A power of two: a step that is scaled before it is summed rounds like one that is scaled behind.
    private const float Rate = 0.125f;

    // Li et al. 2020, equation 2: the gradient of the client's objective is that of its loss plus mu (w - w_global).
    [Fact]
    public async Task FedProx_adds_mu_times_the_drift_to_the_gradient()
    {
        const float mu = 0.5f;
        RunPlan plan = Plans.Of(Plans.Softmax(5, 3), strategy: new FedProx { Mu = mu });
        using ModelState model = ModelState.Initialize(plan.Model, Draw.Stream("model"));
        float[] global = model.Trainable.AsSpan().ToArray();

        float[] change = await TrainAsync(plan, model, steps: 5, clipNorm: null, batchSize: 0);
        float[] whole = ByHandOnAllExamples(plan, global, 5, (gradient, parameters) =>
        {
            for (int i = 0; i < global.Length; i++) gradient[i] += mu * (parameters[i] - global[i]);
        });
        for (int i = 0; i < global.Length; i++) Assert.Equal(whole[i] - global[i], change[i], 1e-6f);
    }

    [Fact]
    public async Task A_clipped_step_is_as_long_as_rate_times_limit()
    {
        const double limit = 0.01;
        RunPlan plan = Plans.Of(Plans.Softmax(5, 3));
        using ModelState model = ModelState.Initialize(plan.Model, Draw.Stream("model"));
        float[] change = await TrainAsync(plan, model, steps: 1, limit, batchSize: 0);
        Assert.Equal(Rate * limit, Math.Sqrt(change.Sum(c => (double)c * c)), 1e-7);
    }

    [Fact]
    public async Task A_limit_above_the_norm_changes_nothing()
    {
        RunPlan plan = Plans.Of(Plans.Softmax(5, 3));
        using ModelState model = ModelState.Initialize(plan.Model, Draw.Stream("model"));
        Assert.Equal(await TrainAsync(plan, model, 3, null, 4), await TrainAsync(plan, model, 3, 1e6, 4));
    }

    [Fact]
    public async Task The_same_task_at_the_same_site_gives_the_same_update_and_another_site_another()
    {
        RunPlan plan = Plans.Of(Plans.EveryLayer);
        using ModelState model = ModelState.Initialize(plan.Model, Draw.Stream("model"));
        float[] first = await TrainAsync(plan, model, 7, null, 4), again = await TrainAsync(plan, model, 7, null, 4);
        Assert.Equal(first, again);
        Assert.NotEqual(first, await TrainAsync(plan, model, 7, null, 4, site: "other"));
    }

    private static async Task<float[]> TrainAsync(RunPlan plan, ModelState model, int steps, double? clipNorm, int batchSize, string site = "site")
    {
        using ITrainingWorkspace workspace = new EmbeddedTrainer().CreateWorkspace(plan);
        var work = new ClientTask
        {
            Round = 1,
            Work = new LocalWork(0, steps),
            BatchSize = batchSize,
            LearningRate = Rate,
            ClipNorm = clipNorm,
            Weighting = new ClientWeighting(Uniform: true, 0),
        };
        var task = new TrainTask(work, 1, 0, 1, model, plan.TrainLayout, null);
        Updates.Update update = await workspace.TrainAsync(task, site, RandomClient.ExamplesFor(plan), steps, RandomClient.State, TestContext.Current.CancellationToken);
        return update.ReadBlock(0).ToArray();
    }

    private delegate void Correct(Span<float> gradient, ReadOnlySpan<float> parameters);

    private static float[] ByHandOnAllExamples(RunPlan plan, float[] global, int steps, Correct correct)
    {
        using FlatVector parameters = new(global.Length), gradients = new(global.Length);
        global.CopyTo(parameters.AsSpan());
        ExampleView all = RandomClient.ExamplesFor(plan).Train;
        using var network = new Network(plan.Model, EngineRegistry.CreateDefault(), all.Count, parameters, gradients);
        for (int step = 0; step < steps; step++)
        {
            all.Set.CopyFeatures(all.Rows.Span, network.Inputs.Slice(0, all.Count * network.InputLength));
            for (int i = 0; i < all.Count; i++) network.Labels[i] = all.Set.Label(i)[0];
            network.Forward(all.Count, training: true, null);
            network.Backward(all.Count, null, 0, new double[2]);
            correct(gradients.AsSpan(), parameters.AsSpan());
            for (int i = 0; i < global.Length; i++) parameters.AsSpan()[i] -= Rate * gradients.AsSpan()[i];
        }

        return parameters.AsSpan().ToArray();
    }
}
