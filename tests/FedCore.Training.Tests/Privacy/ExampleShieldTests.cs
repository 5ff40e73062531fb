using FedCore.Models;
using FedCore.Models.Layers;
using FedCore.Models.Losses;
using FedCore.Naming;
using FedCore.Numerics;
using FedCore.Privacy;
using FedCore.Privacy.Sampling;
using FedCore.Rounds;
using FedCore.Rounds.Privacy;
using FedCore.Strategies;
using FedCore.Training.Data;
using FedCore.Training.Engine;
using FedCore.Training.Privacy;
using FedCore.Training.Tests.Engine;

namespace FedCore.Training.Tests.Privacy;

/// <summary>DP-SGD in the engine: what is clipped, what noise there is, and that nothing goes past it.</summary>
public class ExampleShieldTests
{
    private const double Clip = 0.5, Noise = 1.5, Rate = 0.3;
    private const int Examples = 10;

    // The sensitivity is counted a little over a hundredth above the clip, for what rounding does.
    [Fact]
    public void The_noise_on_a_mean_is_as_wide_as_the_run_says()
    {
        RunPlan plan = Plan(Wide(20_000));
        using var gradients = new FlatVector(plan.Model.Schema.TrainableCount);
        using var shield = new ExampleShield(plan.Privacy!, Examples, gradients.Length, 1, Random);
        shield.Begin();
        shield.Release(gradients);
        double variance = gradients.AsSpan().ToArray().Average(value => (double)value * value), expected = Noise * Clip * 1.01 / (Rate * Examples);
        Assert.Equal(1, variance / (expected * expected), 4 * Math.Sqrt(2.0 / gradients.Length));
    }

    [Fact]
    public void The_mean_is_over_the_expected_batch_whatever_came()
    {
        RunPlan plan = Plan(Wide(20_000));
        using var gradients = new FlatVector(plan.Model.Schema.TrainableCount);
        using var shield = new ExampleShield(plan.Privacy!, Examples, gradients.Length, 1, Random);
        gradients.AsSpan().Fill(0.25f);
        shield.Begin();
        shield.Release(gradients);
        double deviation = Noise * Clip * 1.01 / (Rate * Examples);
        Assert.Equal(0.25 / (Rate * Examples), gradients.AsSpan().ToArray().Average(value => (double)value), 4 * deviation / Math.Sqrt(gradients.Length));
    }

    [Fact]
    public void A_gradient_more_than_the_task_has_steps_is_refused()
    {
        RunPlan plan = Plan(Plans.Softmax(4, 3));
        using var client = new Shielded(plan, steps: 2);
        client.Model.ComputeGradients();
        client.Model.TrainStep(0.1f);
        Assert.Contains("2", Assert.Throws<InvalidOperationException>(client.Model.ComputeGradients).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_batch_that_was_not_given_out_is_forgotten()
    {
        RunPlan plan = Plan(Wide(100), noise: 1e-7);
        using var gradients = new FlatVector(plan.Model.Schema.TrainableCount);
        using var shield = new ExampleShield(plan.Privacy!, Examples, gradients.Length, 2, Random);
        gradients.AsSpan()[0] = 0.25f;
        shield.Begin();
        shield.Add(gradients);
        shield.Begin();
        shield.Release(gradients);
        Assert.Equal(0.25, gradients.AsSpan()[0] * Rate * Examples, 1e-3);
    }

    // However many there are that all pull one number one way.
    [Fact]
    public void A_large_batch_has_room()
    {
        const int Parts = 1000, Many = Parts * ExampleShield.MostTogether;
        RunPlan plan = Plan(Wide(20_000), noise: 1e-7);
        using var gradients = new FlatVector(plan.Model.Schema.TrainableCount);
        using var shield = new ExampleShield(plan.Privacy!, Many, gradients.Length, 1, Random);
        shield.Begin();
        for (int part = 0; part < Parts; part++)
        {
            gradients.AsSpan()[0] = (float)Clip * ExampleShield.MostTogether;
            if (part < Parts - 1) shield.Add(gradients);
        }

        shield.Release(gradients);
        Assert.Equal(Clip / Rate, gradients.AsSpan()[0], 1e-3);
    }

    // The first gives out what another would be computed from.
    [Fact]
    public void A_batch_is_given_out_once()
    {
        RunPlan plan = Plan(Wide(100));
        using var gradients = new FlatVector(plan.Model.Schema.TrainableCount);
        using var shield = new ExampleShield(plan.Privacy!, Examples, gradients.Length, 2, Random);
        Assert.Throws<InvalidOperationException>(() => shield.Release(gradients));
        shield.Begin();
        shield.Release(gradients);
        Assert.Throws<InvalidOperationException>(() => shield.Release(gradients));
    }

    // A task that is over has no noise left.
    [Fact]
    public void Nothing_is_given_out_behind_the_task()
    {
        RunPlan plan = Plan(Plans.Softmax(4, 3));
        using var client = new Shielded(plan, steps: 3);
        client.Model.TrainStep(0.1f);
        client.End();
        Assert.Throws<ObjectDisposedException>(client.Model.ComputeGradients);
    }

    // The noise on what was written before the fault is not that of the next batch.
    [Fact]
    public void Noise_that_was_given_out_before_a_fault_is_not_used_again()
    {
        const int Bulks = 3;
        RunPlan plan = Plan(Wide(100_000));
        using var gradients = new FlatVector(plan.Model.Schema.TrainableCount);
        var random = new BreaksDown(Bulks);
        using var shield = new ExampleShield(plan.Privacy!, Examples, gradients.Length, 2, purpose => purpose == "noise 0" ? random : Random(purpose));
        shield.Begin();
        Assert.Throws<IOException>(() => shield.Release(gradients));
        float[] first = gradients.AsSpan().ToArray();
        gradients.Clear();
        random.Mend();
        shield.Begin();
        shield.Release(gradients);
        float[] second = gradients.AsSpan().ToArray();
        int written = first.Count(value => value != 0);
        Assert.InRange(written, 8000, 50_000);
        Assert.InRange(Enumerable.Range(0, 100_000).Count(i => first[i] != 0 && first[i] == second[i]), 0, written / 1000);
    }

    [Fact]
    public void A_fault_leaves_no_sum_without_noise()
    {
        RunPlan plan = Plan(Wide(1000));
        using var client = new Shielded(plan, noise: new BreaksDown(0));
        Assert.Throws<IOException>(client.Model.ComputeGradients);
        Assert.All(client.Model.Gradients.AsSpan().ToArray(), value => Assert.Equal(0, value));
    }

    // A network for 4 examples, a batch of all 10: the parts add up to what a network for all of them sums at once.
    [Theory]
    [InlineData(4)]
    [InlineData(1)]
    [InlineData(9)]
    public void A_batch_of_any_size_is_summed(int capacity)
    {
        RunPlan plan = Plan(Plans.WithoutDropout(Plans.EveryLayer));
        float[] whole = Sum(plan, Examples, RandomClient.ExamplesFor(plan)), parts = Sum(plan, capacity, RandomClient.ExamplesFor(plan));
        double difference = Math.Sqrt(whole.Zip(parts, (a, b) => (double)(a - b) * (a - b)).Sum());
        Assert.InRange(difference, 0, 1e-2 * Clip);
    }

    [Fact]
    public void An_example_without_a_finite_gradient_counts_as_none()
    {
        RunPlan plan = Plan(Plans.Softmax(4, 3));
        ClientData good = RandomClient.ExamplesFor(plan);
        float[] features = new float[4 * Examples], labels = new float[Examples];
        good.Train.Set.CopyFeatures([.. Enumerable.Range(0, Examples)], features);
        good.Train.Set.CopyLabels([.. Enumerable.Range(0, Examples)], labels);
        (features[4 * 3], features[4 * 7 + 2]) = (float.NaN, float.PositiveInfinity);
        var bad = ExampleView.All(new InMemoryExamples(plan.Model.Input, features, labels, 1));
        var without = new ExampleView(good.Train.Set, Enumerable.Range(0, Examples).Where(i => i is not (3 or 7)).ToArray());
        float[] expected = Sum(plan, Examples, new ClientData(without, without)), found = Sum(plan, Examples, new ClientData(bad, bad));
        Assert.InRange(Math.Sqrt(expected.Zip(found, (a, b) => (double)(a - b) * (a - b)).Sum()), 0, 1e-2 * Clip);
    }

    [Fact]
    public void Of_examples_without_finite_gradients_alone_the_sum_is_nothing()
    {
        RunPlan plan = Plan(Plans.Softmax(4, 3));
        float[] features = new float[4 * Examples];
        features.AsSpan().Fill(float.NaN);
        var bad = ExampleView.All(new InMemoryExamples(plan.Model.Input, features, new float[Examples], 1));
        Assert.All(Sum(plan, Examples, new ClientData(bad, bad)), value => Assert.InRange(Math.Abs(value), 0, 1e-2 * Clip));
    }

    // Weights with which not even an example of zeros has a finite gradient: who has one that is finite keeps it, and the step comes to an end.
    [Fact]
    public void An_example_without_a_finite_gradient_leaves_the_others_theirs_whatever_the_weights_are()
    {
        var model = new ModelSpec { Input = [2], Layers = [new LinearSpec { Outputs = 1 }, new LinearSpec { Outputs = 1 }, new LinearSpec { Outputs = 1 }], Loss = new MeanSquaredErrorSpec() };
        RunPlan plan = Plan(model);
        float[] weights = [-3e38f, 0.1f, 3e38f, 10, 0, 1, 0], features = new float[2 * Examples];
        for (int example = 0; example < Examples; example++) (features[2 * example], features[2 * example + 1]) = (1, example);
        float[] all = Sum(plan, Examples, Data(features), weights: weights);
        features[2 * 5] = float.NaN;
        float[] without = Sum(plan, Examples, Data(features), weights: weights);
        Assert.InRange(Norm(all), 5 * Clip, Examples * Clip);
        Assert.InRange(Norm([.. all.Zip(without, (a, b) => a - b)]), 0.5 * Clip, 1.01 * Clip);

        ClientData Data(float[] values)
        {
            var view = ExampleView.All(new InMemoryExamples(plan.Model.Input, [.. values], new float[Examples], 1));
            return new ClientData(view, view);
        }
    }

    // What falls out for an example is drawn once: a second pass without another one finds it as it was.
    [Fact]
    public void An_example_without_a_finite_gradient_leaves_the_others_what_falls_out()
    {
        RunPlan plan = Plan(Plans.EveryLayer);
        ClientData all = RandomClient.ExamplesFor(plan);
        int width = all.Train.Set.FeatureLength;
        float[] features = new float[width * Examples], labels = new float[Examples];
        all.Train.Set.CopyFeatures([.. Enumerable.Range(0, Examples)], features);
        all.Train.Set.CopyLabels([.. Enumerable.Range(0, Examples)], labels);
        features[^1] = float.NaN;
        var bad = ExampleView.All(new InMemoryExamples(plan.Model.Input, features, labels, 1));
        var without = new ExampleView(all.Train.Set, Enumerable.Range(0, Examples - 1).ToArray());
        float[] expected = Sum(plan, Examples, new ClientData(without, without)), found = Sum(plan, Examples, new ClientData(bad, bad));
        Assert.True(Norm(expected) > Clip);
        Assert.InRange(Norm([.. expected.Zip(found, (a, b) => a - b)]), 0, 1e-2 * Clip);
    }

    [Fact]
    public void What_the_model_cannot_take_has_no_gradient_and_no_label()
    {
        RunPlan plan = Plan(new ModelSpec { Input = [2], Layers = [new EmbeddingSpec { Vocabulary = 5, Width = 3 }, new FlattenSpec(), new LinearSpec { Outputs = 2 }], Loss = new SoftmaxCrossEntropySpec() });
        DataPool pool = ClientSplit.Fitted(plan, new DataPool(new InMemoryExamples(new Shape(2), [.. Enumerable.Repeat(7f, 2 * Examples)], new float[Examples]), null, []));
        var unfit = ExampleView.All(pool.Train);
        Assert.Equal(Examples, pool.UnfitCount);
        Assert.InRange(Norm(Sum(plan, Examples, new ClientData(unfit, unfit))), 0, 1e-2 * Clip);
    }

    // Examples that are mostly zeros meet few of the weights, and those that are not all of them: which of both a batch is must not decide whether others have gradients.
    [Fact]
    public void Parameters_that_are_not_finite_have_no_gradients_whatever_the_examples_are()
    {
        RunPlan plan = Plan(Plans.Softmax(64, 256));
        float[] features = new float[64 * Examples];
        for (int example = 0; example < Examples; example++) features[64 * example + 1] = 1;
        var sparse = ExampleView.All(new InMemoryExamples(plan.Model.Input, features, new float[Examples], 1));
        Assert.True(Norm(Sum(plan, Examples, new ClientData(sparse, sparse))) > Clip);
        Assert.InRange(Norm(Sum(plan, Examples, new ClientData(sparse, sparse), first: float.PositiveInfinity)), 0, 1e-2 * Clip);
    }

    // All that a step shows: w moves by the learning rate times the noisy mean, of which one example is at most the clip over the expected batch.
    [Theory]
    [InlineData("rows")]
    [InlineData("images")]
    public async Task Two_sites_that_differ_in_one_example_end_within_its_clip_for_the_same_noise(string what)
    {
        RunPlan plan = Plan(what == "rows" ? Plans.Softmax(4, 3) : Plans.WithoutDropout(Plans.EveryLayer));
        ClientData all = RandomClient.ExamplesFor(plan);

        // The example's place stays: it has no gradient.
        int width = all.Train.Set.FeatureLength;
        float[] features = new float[width * Examples], labels = new float[Examples];
        all.Train.Set.CopyFeatures([.. Enumerable.Range(0, Examples)], features);
        all.Train.Set.CopyLabels([.. Enumerable.Range(0, Examples)], labels);
        features[width * 4] = float.NaN;
        var without = ExampleView.All(new InMemoryExamples(plan.Model.Input, features, labels, 1));
        float[] one = await TrainAsync(plan, all, steps: 1), two = await TrainAsync(plan, new ClientData(without, without), steps: 1);
        double distance = Math.Sqrt(one.Zip(two, (a, b) => (double)(a - b) * (a - b)).Sum()), most = 0.1 * Clip / (Rate * Examples);
        Assert.InRange(distance, 0.1 * most, most * 1.001);
    }

    [Fact]
    public async Task Dropout_does_not_follow_from_the_public_seed()
    {
        RunPlan plan = Plan(Plans.EveryLayer, noise: 1e-4);
        ClientData data = RandomClient.ExamplesFor(plan);
        Assert.NotEqual(await TrainAsync(plan, data, 1, static _ => new SystemRandomBytes()), await TrainAsync(plan, data, 1, static _ => new SystemRandomBytes()));
        Assert.Equal(await TrainAsync(plan, data, 1), await TrainAsync(plan, data, 1));
    }

    [Fact]
    public async Task A_strategy_that_asks_for_the_loss_is_refused()
    {
        RunPlan plan = Plan(Plans.Softmax(4, 3), strategy: new AsksForLoss(), registry: Registry.CreateDefault().Register<IStrategy, AsksForLoss>("asking"));
        var fault = await Assert.ThrowsAsync<FedCoreException>(() => TrainAsync(plan, RandomClient.ExamplesFor(plan), 1));
        Assert.Equal("privacy.composition", fault.Code);
        Assert.Contains(nameof(AsksForLoss), fault.Message, StringComparison.Ordinal);
    }

    private static double Norm(float[] values) => Math.Sqrt(values.Sum(value => (double)value * value));

    private static float[] Sum(RunPlan plan, int capacity, ClientData data, float? first = null, float[]? weights = null)
    {
        // Hardly any noise; the mean is over the expected batch.
        plan = RunPlan.Create(plan.Definition with { Privacy = plan.Definition.Privacy! with { NoiseMultiplier = 1e-7 } }, plan.Registry);
        using var client = new Shielded(plan, data: data, capacity: capacity);
        weights?.CopyTo(client.Model.Parameters.AsSpan());
        if (first is { } value) client.Model.Parameters.AsSpan()[0] = value;
        client.Model.ComputeGradients();
        return [.. client.Model.Gradients.AsSpan().ToArray().Select(mean => (float)(mean * Rate * Examples))];
    }

    private static async Task<float[]> TrainAsync(RunPlan plan, ClientData data, int steps, Func<string, RandomBytes>? random = null)
    {
        using ITrainingWorkspace workspace = new EmbeddedTrainer().CreateWorkspace(plan);
        using ModelState model = ModelState.Initialize(plan.Model, Draw.Stream("model"));
        ClientTask work = new RoundContext(plan, 1, 1).StandardTask;
        var task = new TrainTask(work, 1, 0, 1, model, plan.TrainLayout, null) { PrivateRandom = random ?? Random };
        Updates.Update update = await workspace.TrainAsync(task, "site", data, steps, RandomClient.State, TestContext.Current.CancellationToken);
        return update.Vector(Updates.Section.Model, 0, (int)plan.Model.Schema.TrainableCount).ToArray();
    }

    private static SimulationRandomBytes Random(string purpose) => new(Draw.Stream("shield " + purpose));

    private static ModelSpec Wide(int width) => new() { Input = [1], Layers = [new LinearSpec { Outputs = width }], Loss = new MeanSquaredErrorSpec() };

    private static RunPlan Plan(ModelSpec model, double noise = Noise, IStrategy? strategy = null, Registry? registry = null)
    {
        RunPlan plain = Plans.Of(model, strategy: strategy, registry: registry);
        return RunPlan.Create(
            plain.Definition with
            {
                Training = new TrainingPlan { LearningRate = 0.1, WeightBy = WeightBy.Uniform },
                Privacy = new PrivacyPolicy { Unit = PrivacyUnit.Example, Clip = Clip, NoiseMultiplier = noise, SamplingRate = Rate, Delta = 1e-5 },
                Evaluation = new EvaluationPlan { Every = 0 },
            },
            plain.Registry);
    }

    // A generator that fails from some bulk on, until it is mended.
    private sealed class BreaksDown(int bulks) : RandomBytes
    {
        private readonly SimulationRandomBytes _random = Random("breaks down");
        private int _left = bulks;

        public void Mend() => Volatile.Write(ref _left, int.MaxValue);

        protected override void Fill(Span<byte> bytes)
        {
            if (Interlocked.Decrement(ref _left) < 0) throw new IOException("The generator is gone.");
            _random.NextBytes(bytes);
        }
    }

    /// <summary>A local model whose gradients are hidden; batches of all examples where sums are looked at.</summary>
    private sealed class Shielded : IDisposable
    {
        private readonly FlatVector _parameters;
        private readonly ExampleShield _shield;

        public Shielded(RunPlan plan, int steps = 1, ClientData? data = null, int capacity = Examples, RandomBytes? noise = null)
        {
            using ModelState model = ModelState.Initialize(plan.Model, Draw.Stream("model"));
            _parameters = model.Trainable.Clone();
            Model = new LocalModel(plan, EngineRegistry.CreateDefault(), _parameters);
            Model.NetworkFor(capacity);
            _shield = new ExampleShield(plan.Privacy!, Examples, _parameters.Length, steps, purpose => purpose == "noise 0" && noise is not null ? noise : Random(purpose));
            ClientData examples = data ?? RandomClient.ExamplesFor(plan);
            Model.Begin(examples.Train, new PoissonBatches(examples.Train.Count, 1, Random("all")), null, _shield);
        }

        public LocalModel Model { get; }

        public void End() => _shield.Dispose();

        public void Dispose()
        {
            Model.Dispose();
            _shield.Dispose();
            _parameters.Dispose();
        }
    }

    private sealed class AsksForLoss : FedAvg
    {
        public override IClientAlgorithm CreateClientAlgorithm(ClientTask task) => new Asking();

        private sealed class Asking : LocalTraining
        {
            protected override void WriteChange(IClientContext context, Updates.Update update) => context.EvaluateLoss();
        }
    }
}
