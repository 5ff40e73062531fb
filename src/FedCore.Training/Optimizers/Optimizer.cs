using System.Numerics.Tensors;
using FedCore.Numerics;
using FedCore.Optimizers;

namespace FedCore.Training.Optimizers;

/// <summary>Moves parameters along their gradients. Its state lasts one round of one client.</summary>
public abstract class Optimizer : IDisposable
{
    /// <summary>Whether a step is w -= rate x g and nothing else, so that it may be fused with the computation of the gradient.</summary>
    public virtual bool IsPlain => false;

    /// <summary>Forgets the state, for the next client.</summary>
    public abstract void Reset();

    /// <summary>One step.</summary>
    /// <param name="parameters">The parameters, to be moved.</param>
    /// <param name="gradients">Their gradients.</param>
    /// <param name="length">How many leading elements count.</param>
    /// <param name="learningRate">The step size.</param>
    public abstract void Step(FlatVector parameters, FlatVector gradients, long length, float learningRate);

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Frees the state's memory.</summary>
    /// <param name="disposing">True when called from <see cref="Dispose()"/>.</param>
    protected virtual void Dispose(bool disposing)
    {
    }
}

/// <summary>Gradient descent with PyTorch's momentum: the first velocity is the first gradient.</summary>
internal sealed class SgdOptimizer(SgdSpec spec, long parameters) : Optimizer
{
    private readonly FlatVector? _velocity = spec.Momentum > 0 ? new FlatVector(parameters) : null;

    public override bool IsPlain => _velocity is null && spec.WeightDecay == 0;

    // Zeros make the first velocity the first gradient.
    public override void Reset() => _velocity?.Clear();

    public override void Step(FlatVector parameters, FlatVector gradients, long length, float learningRate)
    {
        float momentum = (float)spec.Momentum;
        for (long offset = 0; offset < length; offset += VectorBlocks.BlockLength)
        {
            int count = (int)Math.Min(VectorBlocks.BlockLength, length - offset);
            Span<float> w = parameters.Slice(offset, count), g = gradients.Slice(offset, count);
            if (spec.WeightDecay > 0) TensorPrimitives.FusedMultiplyAdd(w, (float)spec.WeightDecay, g, g);
            if (_velocity is not null)
            {
                Span<float> v = _velocity.Slice(offset, count);
                TensorPrimitives.FusedMultiplyAdd(v, momentum, g, v);
                if (spec.Nesterov) TensorPrimitives.FusedMultiplyAdd(v, momentum, g, g);
                else g = v;
            }

            TensorPrimitives.FusedMultiplyAdd(g, -learningRate, w, w);
        }
    }

    protected override void Dispose(bool disposing)
    {
        _velocity?.Dispose();
        base.Dispose(disposing);
    }
}

/// <summary>Adam (Kingma and Ba 2015, algorithm 1).</summary>
internal sealed class AdamOptimizer(AdamSpec spec, long parameters) : Optimizer
{
    private readonly FlatVector _first = new(parameters);
    private readonly FlatVector _second = new(parameters);
    private readonly float[] _scratch = new float[VectorBlocks.BlockLength];
    private int _steps;

    public override void Reset()
    {
        _first.Clear();
        _second.Clear();
        _steps = 0;
    }

    public override void Step(FlatVector parameters, FlatVector gradients, long length, float learningRate)
    {
        _steps++;
        double correction1 = 1 - Math.Pow(spec.Beta1, _steps), correction2 = 1 - Math.Pow(spec.Beta2, _steps);
        float rate = (float)(learningRate / correction1), root = (float)(1 / Math.Sqrt(correction2));
        for (long offset = 0; offset < length; offset += VectorBlocks.BlockLength)
        {
            int count = (int)Math.Min(VectorBlocks.BlockLength, length - offset);
            Span<float> w = parameters.Slice(offset, count), g = gradients.Slice(offset, count), scratch = _scratch.AsSpan(0, count);
            Span<float> m = _first.Slice(offset, count), v = _second.Slice(offset, count);
            if (spec.WeightDecay > 0) TensorPrimitives.FusedMultiplyAdd(w, (float)spec.WeightDecay, g, g);

            TensorPrimitives.Multiply(m, (float)spec.Beta1, m);
            TensorPrimitives.FusedMultiplyAdd(g, (float)(1 - spec.Beta1), m, m);
            TensorPrimitives.Multiply(g, g, scratch);
            TensorPrimitives.Multiply(v, (float)spec.Beta2, v);
            TensorPrimitives.FusedMultiplyAdd(scratch, (float)(1 - spec.Beta2), v, v);

            TensorPrimitives.Sqrt(v, scratch);
            TensorPrimitives.Multiply(scratch, root, scratch);
            TensorPrimitives.Add(scratch, (float)spec.Epsilon, scratch);
            TensorPrimitives.Divide(m, scratch, scratch);
            TensorPrimitives.FusedMultiplyAdd(scratch, -rate, w, w);
        }
    }

    protected override void Dispose(bool disposing)
    {
        _first.Dispose();
        _second.Dispose();
        base.Dispose(disposing);
    }
}
