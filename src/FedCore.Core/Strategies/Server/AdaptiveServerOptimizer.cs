using System.ComponentModel.DataAnnotations;
using System.Numerics.Tensors;
using FedCore.Naming;
using FedCore.Numerics;

namespace FedCore.Strategies.Server;

/// <summary>
/// What the adaptive server optimizers share (Reddi et al. 2021, algorithm 2): m = beta1 m + (1 - beta1) change, an accumulator v of squared changes, and
/// the model moves by learningRate m / (sqrt(v) + tau). There is no bias correction.
/// </summary>
public abstract class AdaptiveServerOptimizer : IServerOptimizer
{
    private const string FirstMoment = "firstMoment", Accumulator = "accumulator";

    /// <summary>The server's step size.</summary>
    [PaperValue("The paper tunes it for every task, over powers of sqrt(10) from 0.001 to 10.")]
    [Range(0, double.MaxValue, MinimumIsExclusive = true)]
    public double LearningRate { get; init; } = 0.01;

    /// <summary>What is left of the first moment after a round, from 0 to below 1.</summary>
    [PaperValue("The paper's default is 0.9; with adagrad it is 0.")]
    [Range(0, 1, MaximumIsExclusive = true)]
    public double Beta1 { get; init; } = 0.9;

    /// <summary>The degree of adaptivity: what is added to the root of the accumulator, above 0.</summary>
    [PaperValue("The paper's default is 0.001.")]
    [Range(0, double.MaxValue, MinimumIsExclusive = true)]
    public double Tau { get; init; } = 1e-3;

    /// <summary>The accumulator before the first round, 0 or more; null for the square of tau. FLamby begins with 0.</summary>
    [PaperValue("The paper allows the square of tau and more.")]
    [Range(0, double.MaxValue)]
    public double? InitialAccumulator { get; init; }

    /// <inheritdoc/>
    public void Step(ServerState state, MeanChange change)
    {
        ArgumentNullException.ThrowIfNull(state);
        FlatVector model = state.Model.Trainable, moment = state.Vector(FirstMoment);
        FlatVector accumulator = state.Vector(Accumulator, (float)(InitialAccumulator ?? Tau * Tau));
        Span<float> scratch = stackalloc float[VectorBlocks.BlockLength], squares = stackalloc float[VectorBlocks.BlockLength];
        foreach ((long offset, int count) in VectorBlocks.Of(model.Length))
        {
            Span<float> w = model.Slice(offset, count), m = moment.Slice(offset, count), v = accumulator.Slice(offset, count);
            Span<float> delta = scratch[..count], square = squares[..count];
            TensorPrimitives.Multiply(change.SumAt(offset, count), (float)change.Scale, delta);
            TensorPrimitives.Multiply(m, (float)Beta1, m);
            TensorPrimitives.FusedMultiplyAdd(delta, (float)(1 - Beta1), m, m);
            TensorPrimitives.Multiply(delta, delta, square);
            Accumulate(v, square);
            TensorPrimitives.Sqrt(v, delta);
            TensorPrimitives.Add(delta, (float)Tau, delta);
            TensorPrimitives.Divide(m, delta, delta);
            TensorPrimitives.FusedMultiplyAdd(delta, (float)LearningRate, w, w);
        }
    }

    /// <summary>Takes a round's squared changes into the accumulator.</summary>
    /// <param name="accumulator">A block of it.</param>
    /// <param name="squares">The squared changes at the same place, which may be overwritten.</param>
    protected abstract void Accumulate(Span<float> accumulator, Span<float> squares);
}

/// <summary>FedAdagrad (Reddi et al. 2021): v = v + change².</summary>
[Paper("Reddi et al. 2021, Adaptive Federated Optimization", "https://arxiv.org/abs/2003.00295")]
public sealed class ServerAdagrad : AdaptiveServerOptimizer
{
    /// <summary>An optimizer without a first moment.</summary>
    public ServerAdagrad() => Beta1 = 0;

    /// <inheritdoc/>
    protected override void Accumulate(Span<float> accumulator, Span<float> squares) => TensorPrimitives.Add(accumulator, squares, accumulator);
}

/// <summary>FedAdam (Reddi et al. 2021): v = beta2 v + (1 - beta2) change².</summary>
[Paper("Reddi et al. 2021, Adaptive Federated Optimization", "https://arxiv.org/abs/2003.00295")]
public sealed class ServerAdam : AdaptiveServerOptimizer
{
    /// <summary>What is left of the accumulator after a round, from 0 to below 1.</summary>
    [PaperValue("The paper's default is 0.99.")]
    [Range(0, 1, MaximumIsExclusive = true)]
    public double Beta2 { get; init; } = 0.99;

    /// <inheritdoc/>
    protected override void Accumulate(Span<float> accumulator, Span<float> squares)
    {
        TensorPrimitives.Multiply(accumulator, (float)Beta2, accumulator);
        TensorPrimitives.FusedMultiplyAdd(squares, (float)(1 - Beta2), accumulator, accumulator);
    }
}

/// <summary>FedYogi (Reddi et al. 2021): v = v - (1 - beta2) change² sign(v - change²), which grows as slowly as it shrinks.</summary>
[Paper("Reddi et al. 2021, Adaptive Federated Optimization", "https://arxiv.org/abs/2003.00295")]
public sealed class ServerYogi : AdaptiveServerOptimizer
{
    /// <summary>How slowly the accumulator follows, from 0 to below 1.</summary>
    [PaperValue("The paper's default is 0.99.")]
    [Range(0, 1, MaximumIsExclusive = true)]
    public double Beta2 { get; init; } = 0.99;

    /// <inheritdoc/>
    protected override void Accumulate(Span<float> accumulator, Span<float> squares)
    {
        float rate = (float)(1 - Beta2);
        for (int i = 0; i < accumulator.Length; i++)
        {
            float sign = accumulator[i] > squares[i] ? rate : accumulator[i] < squares[i] ? -rate : 0;
            accumulator[i] -= sign * squares[i];
        }
    }
}
