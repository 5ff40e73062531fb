using FedCore.Models;
using FedCore.Naming;
using FedCore.Privacy;
using FedCore.Privacy.Sampling;
using FedCore.Rounds;
using FedCore.Rounds.Privacy;
using FedCore.Strategies;
using FedCore.Training.Data;
using FedCore.Training.Engine;
using FedCore.Training.Privacy;
using FedCore.Training.Tests.Engine;
using FedCore.Updates;

namespace FedCore.Training.Tests.Privacy;

/// <summary>Means over a site's examples: exact but for the noise, and of which one example can change no more than the bound says.</summary>
public class ExampleMeanTests
{
    [Fact]
    public void A_mean_is_that_of_the_examples()
    {
        float[] mean = Mean(new Copy(2, 100), [1, 10, 2, 20, 6, 60]);
        Assert.Equal([3f, 30f], mean);
    }

    [Fact]
    public void What_is_longer_than_the_bound_is_scaled_down_to_it()
    {
        float[] mean = Mean(new Copy(2, 5), [300, 400, 0, 0]);
        Assert.Equal(1.5, mean[0], 1e-5);
        Assert.Equal(2, mean[1], 1e-5);
        Assert.InRange(Math.Sqrt(mean[0] * mean[0] + mean[1] * mean[1]), 2.4999, 2.5);
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    [InlineData(float.NegativeInfinity)]
    public void What_is_not_finite_counts_as_nothing(float value) => Assert.Equal([1f, 0f], Mean(new Copy(2, 100), [2, value, 0, 0]));

    // Of two classes, 5 is none.
    [Fact]
    public void What_a_run_cannot_take_is_in_no_statistic()
    {
        ModelPlan model = Plans.Of(Plans.Softmax(2, 2)).Model;
        var examples = new FitExamples(new InMemoryExamples(new Shape(2), [3, 3, 5, 5], [1, 5]), model, "The examples");
        float[] mean = new float[2];
        ExampleMean.Write(ExampleView.All(examples), new Copy(2, 100), null, static _ => throw new InvalidOperationException(), mean);
        Assert.Equal([1.5f, 1.5f], mean);
    }

    [Fact]
    public void The_noise_is_as_wide_as_the_run_says()
    {
        const int Length = 20_000;
        RunPlan plan = Plan();
        var map = new Copy(Length, 2);
        float[] mean = new float[Length];
        ExampleMean.Write(ExampleView.All(new InMemoryExamples(new Shape(Length), new float[4 * Length], new float[4], 1)), map, plan.Privacy, static _ => new SimulationRandomBytes(Draw.Stream("mean")), mean);
        double expected = plan.Privacy!.NoiseMultiplier * plan.Privacy.Policy.Clip / 4;
        Assert.Equal(1, mean.Average(value => (double)value * value) / (expected * expected), 4 * Math.Sqrt(2.0 / Length));
    }

    // Takes part as said, trains though it said that it does not, takes two means, takes one without saying so.
    [Theory]
    [InlineData("mean", null)]
    [InlineData("train", "which no noise protects")]
    [InlineData("twice", "a second mean")]
    [InlineData("unsaid", "without saying so")]
    public async Task A_strategy_does_what_it_said(string what, string? fault)
    {
        RunPlan plan = Plan(new Asking { What = what }, isPrivate: what is not "unsaid");
        using ITrainingWorkspace workspace = new EmbeddedTrainer().CreateWorkspace(plan);
        using ModelState model = ModelState.Initialize(plan.Model, Draw.Stream("model"));
        var task = new TrainTask(new RoundContext(plan, 1, 1).StandardTask, 1, 0, 1, model, plan.TrainLayout, null);
        async Task Train() => await workspace.TrainAsync(task, "site", RandomClient.ExamplesFor(plan), 1, RandomClient.State, TestContext.Current.CancellationToken);
        if (fault is null) await Train();
        else Assert.Contains(fault, (await Assert.ThrowsAnyAsync<Exception>(Train)).Message, StringComparison.Ordinal);
    }

    private static float[] Mean(ExampleMap map, float[] features)
    {
        float[] mean = new float[map.Length];
        int count = features.Length / map.Length;
        ExampleMean.Write(ExampleView.All(new InMemoryExamples(new Shape(map.Length), features, new float[count], 1)), map, null, static _ => throw new InvalidOperationException(), mean);
        return mean;
    }

    private static RunPlan Plan(IStrategy? strategy = null, bool isPrivate = true)
    {
        RunPlan plain = Plans.Of(Plans.Softmax(4, 3));
        return RunPlan.Create(
            plain.Definition with
            {
                Strategy = strategy ?? new Asking(),
                Privacy = isPrivate ? new PrivacyPolicy { Unit = PrivacyUnit.Example, Clip = 2, NoiseMultiplier = 3, Delta = 1e-5 } : null,
                Evaluation = new EvaluationPlan { Every = 0 },
            },
            Registry.CreateDefault().Register<IStrategy, Asking>("asking"));
    }

    private sealed class Copy(int length, double bound) : ExampleMap
    {
        public override int Length => length;

        public override double Bound => bound;

        public override void Map(ReadOnlySpan<float> features, ReadOnlySpan<float> label, Span<double> target)
        {
            for (int i = 0; i < target.Length; i++) target[i] = features[i];
        }
    }

    private sealed class Asking : FedAvg, IStrategy
    {
        public string What { get; init; } = "mean";

        bool IStrategy.TakesExampleMeans => What != "unsaid";

        public override IClientAlgorithm CreateClientAlgorithm(ClientTask task) => new Algorithm(What);

        private sealed class Algorithm(string what) : IClientAlgorithm
        {
            public ValueTask RunAsync(IClientContext context, Update update, CancellationToken ct)
            {
                update.Weight = 1;
                float[] mean = new float[2];
                if (what == "train") context.Model.ComputeGradients();
                context.WriteExampleMean(new Copy(2, 2), mean);
                if (what == "twice") context.WriteExampleMean(new Copy(2, 2), mean);
                return ValueTask.CompletedTask;
            }
        }
    }
}
