using System.Numerics.Tensors;
using FedCore.Models;
using FedCore.Numerics;
using FedCore.Privacy.Sampling;
using FedCore.Rounds;
using FedCore.Strategies;
using FedCore.Training.Data;
using FedCore.Training.Engine;
using FedCore.Training.Privacy;
using FedCore.Training.Tests.Engine;
using FedCore.Updates;

namespace FedCore.Training.Tests.Privacy.Audit;

/// <summary>Gives out a noisy sum of gradients, as it should or with a fault.</summary>
/// <param name="canaries">The data.</param>
/// <param name="noise">The noise multiplier that is promised.</param>
/// <param name="seed">Names the noise.</param>
internal abstract class Mechanism(Canaries canaries, double noise, int seed) : IDisposable
{
    protected Canaries Canaries => canaries;

    protected RunPlan Plan { get; } = canaries.Plan(noise);

    /// <summary>The sum of a round, [parameters].</summary>
    public abstract Task<float[]> SumAsync(ModelState model, int round);

    public abstract void Dispose();

    protected SimulationRandomBytes Random(int round, string purpose) => new(Draw.Stream(FormattableString.Invariant($"audit {seed} {round} {purpose}")));
}

/// <summary>The engine as clients run it.</summary>
internal sealed class Correct : Mechanism
{
    private readonly ITrainingWorkspace _workspace;

    public Correct(Canaries canaries, double noise, int seed)
        : base(canaries, noise, seed) => _workspace = new EmbeddedTrainer().CreateWorkspace(Plan);

    public override async Task<float[]> SumAsync(ModelState model, int round)
    {
        ClientTask work = new RoundContext(Plan, round, 1).StandardTask;
        var task = new TrainTask(work, round, 0, 1, model, Plan.TrainLayout, null) { PrivateRandom = purpose => Random(round, purpose) };
        Update update = await _workspace.TrainAsync(task, "site", Canaries.Data, 1, RandomClient.State, TestContext.Current.CancellationToken);

        // With a learning rate of 1 the change is the noisy sum over the expected batch, and the other way.
        float[] sum = update.Vector(Section.Model, 0, Canaries.Count).ToArray();
        TensorPrimitives.Multiply(sum, -2f * Canaries.Count, sum);
        return sum;
    }

    public override void Dispose() => _workspace.Dispose();
}

/// <summary>A mechanism with a fault, of the engine's own parts.</summary>
internal abstract class Faulty : Mechanism
{
    private readonly FlatVector _parameters;

    protected Faulty(Canaries canaries, double noise, int seed, int batch)
        : base(canaries, noise, seed)
    {
        _parameters = new FlatVector(canaries.Count);
        Model = new LocalModel(Plan, EngineRegistry.CreateDefault(), _parameters);
        Model.NetworkFor(batch);
        var order = new InTurn(2 * canaries.Count, batch);
        Model.Begin(canaries.Data.Train, order, null);
    }

    protected LocalModel Model { get; }

    protected FlatVector Sum => Model.Gradients;

    public override Task<float[]> SumAsync(ModelState model, int round)
    {
        _parameters.CopyFrom(model.Trainable, _parameters.Length);
        Compute(round);
        return Task.FromResult(Sum.AsSpan().ToArray());
    }

    public override void Dispose()
    {
        Model.Dispose();
        _parameters.Dispose();
    }

    protected abstract void Compute(int round);

    /// <summary>Adds the noise of a promise to the sum.</summary>
    protected void AddNoise(RunPlan promise, int round)
    {
        using var shield = new ExampleShield(promise.Privacy!, 2 * Canaries.Count, Canaries.Count, 1, purpose => Random(round, purpose));
        shield.Begin();
        shield.Release(Sum);
        TensorPrimitives.Multiply(Sum.AsSpan(), 2f * Canaries.Count, Sum.AsSpan());
    }

    // All examples in their order.
    private sealed class InTurn(int count, int batch) : IBatchOrder
    {
        private readonly int[] _places = [.. Enumerable.Range(0, count)];
        private int _next;

        public ReadOnlySpan<int> Next()
        {
            ReadOnlySpan<int> next = _places.AsSpan(_next, Math.Min(batch, count - _next));
            _next = (_next + next.Length) % count;
            return next;
        }
    }
}

/// <summary>Half of the noise that is promised.</summary>
internal sealed class HalvedNoise(Canaries canaries, double noise, int seed) : Faulty(canaries, noise, seed, 2 * canaries.Count)
{
    private readonly RunPlan _half = canaries.Plan(noise / 2);

    protected override void Compute(int round)
    {
        Model.ComputeClippedGradients(Canaries.Clip);
        AddNoise(_half, round);
    }
}

/// <summary>Gradients as long as they are.</summary>
internal sealed class ForgottenClip(Canaries canaries, double noise, int seed) : Faulty(canaries, noise, seed, 2 * canaries.Count)
{
    protected override void Compute(int round)
    {
        Model.ComputeClippedGradients(1e6);
        AddNoise(Plan, round);
    }
}

/// <summary>The same noise in every round.</summary>
internal sealed class ReusedNoise(Canaries canaries, double noise, int seed) : Faulty(canaries, noise, seed, 2 * canaries.Count)
{
    protected override void Compute(int round)
    {
        Model.ComputeClippedGradients(Canaries.Clip);
        AddNoise(Plan, 1);
    }
}

/// <summary>Noise that a client's weight below 1 makes smaller, and its contributions not.</summary>
internal sealed class WeightedNoise(Canaries canaries, double noise, int seed) : Faulty(canaries, noise, seed, 2 * canaries.Count)
{
    private const double Weight = 0.6;

    private readonly RunPlan _weighted = canaries.Plan(noise * Weight);

    protected override void Compute(int round)
    {
        Model.ComputeClippedGradients(Canaries.Clip);
        AddNoise(_weighted, round);
    }
}

/// <summary>The sums of pairs are clipped, and not each gradient: a canary turns the sum of its pair round, from the clip on one side to the clip on the other.</summary>
internal sealed class PairwiseClip(Canaries canaries, double noise, int seed) : Faulty(canaries, noise, seed, 2)
{
    protected override void Compute(int round)
    {
        float[] total = new float[Canaries.Count];
        for (int pair = 0; pair < Canaries.Count; pair++)
        {
            Model.ComputeGradients();
            Span<float> gradient = Sum.AsSpan();
            TensorPrimitives.Multiply(gradient, 2f, gradient);
            double norm = TensorPrimitives.Norm<float>(gradient);
            if (norm > Canaries.Clip) TensorPrimitives.Multiply(gradient, (float)(Canaries.Clip / norm), gradient);
            TensorPrimitives.Add(total, gradient, total);
        }

        total.CopyTo(Sum.AsSpan());
        AddNoise(Plan, round);
    }
}
