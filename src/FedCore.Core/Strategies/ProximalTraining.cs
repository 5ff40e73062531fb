using System.Numerics.Tensors;

namespace FedCore.Strategies;

/// <summary>Local training with a proximal term mu/2 ||w - w_global||², which holds the client near the model that it received.</summary>
/// <param name="mu">The term's weight, 0 or more.</param>
internal class ProximalTraining(float mu) : LocalTraining
{
    /// <summary>The term's weight.</summary>
    protected float Mu => mu;

    /// <summary>Adds the term's gradient, mu (w - w_global).</summary>
    public static void AddTo(GradientBlock block, float mu)
    {
        Span<float> drift = stackalloc float[block.Gradient.Length];
        TensorPrimitives.Subtract(block.Parameters, block.Global, drift);
        TensorPrimitives.MultiplyAdd(drift, mu, block.Gradient, block.Gradient);
    }

    protected override void CorrectGradient(GradientBlock block) => AddTo(block, mu);
}
