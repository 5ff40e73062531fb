using System.ComponentModel.DataAnnotations;

namespace FedCore.Optimizers;

/// <summary>A client's optimizer as a run file declares it; the arithmetic lives with the trainer. Its state lasts one round.</summary>
public abstract record OptimizerSpec
{
    /// <summary>L2 penalty: this times the weights is added to the gradient. 0 or more.</summary>
    [Range(0, double.MaxValue)]
    public double WeightDecay { get; init; }
}

/// <summary>Stochastic gradient descent with the conventions of PyTorch: v = momentum x v + g, and w -= rate x v.</summary>
public sealed record SgdSpec : OptimizerSpec
{
    /// <summary>Momentum, from 0 to below 1.</summary>
    [Range(0, 1, MaximumIsExclusive = true)]
    public double Momentum { get; init; }

    /// <summary>Nesterov's variant: w -= rate x (g + momentum x v).</summary>
    public bool Nesterov { get; init; }
}

/// <summary>Adam (Kingma and Ba 2015), with bias correction.</summary>
public sealed record AdamSpec : OptimizerSpec
{
    /// <summary>Decay of the first moment, from 0 to below 1.</summary>
    [Range(0, 1, MaximumIsExclusive = true)]
    public double Beta1 { get; init; } = 0.9;

    /// <summary>Decay of the second moment, from 0 to below 1.</summary>
    [Range(0, 1, MaximumIsExclusive = true)]
    public double Beta2 { get; init; } = 0.999;

    /// <summary>Added to the root of the second moment, above 0.</summary>
    [Range(0, 1, MinimumIsExclusive = true)]
    public double Epsilon { get; init; } = 1e-8;
}
