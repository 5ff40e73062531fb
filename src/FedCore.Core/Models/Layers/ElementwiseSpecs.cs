using System.ComponentModel.DataAnnotations;
using FedCore.Naming;

namespace FedCore.Models.Layers;

/// <summary>A layer that keeps the shape and owns no tensors.</summary>
public abstract record ElementwiseSpec : LayerSpec
{
    /// <inheritdoc/>
    public override LayerPlan Plan(Shape input) => new(input);
}

/// <summary>max(x, 0); the gradient at 0 is 0.</summary>
public sealed record ReluSpec : ElementwiseSpec;

/// <summary>The hyperbolic tangent.</summary>
public sealed record TanhSpec : ElementwiseSpec;

/// <summary>1 / (1 + exp(-x)).</summary>
public sealed record SigmoidSpec : ElementwiseSpec;

/// <summary>x times the share of a normal distribution that lies below x, exactly (PyTorch's default; not the approximation by tanh).</summary>
[Paper("Hendrycks and Gimpel 2016, Gaussian Error Linear Units", "https://arxiv.org/abs/1606.08415")]
public sealed record GeluSpec : ElementwiseSpec;

/// <summary>Sets values to zero at random while training and scales the others by 1 / (1 - rate); does nothing in evaluation.</summary>
public sealed record DropoutSpec : ElementwiseSpec
{
    /// <summary>The probability that a value is set to zero, from 0 to below 1.</summary>
    [Range(0, 1, MaximumIsExclusive = true)]
    public double Rate { get; init; } = 0.5;
}

/// <summary>Turns an image into a vector: row by row, within a row pixel by pixel, within a pixel channel by channel; a sequence token by token.</summary>
public sealed record FlattenSpec : LayerSpec
{
    /// <inheritdoc/>
    public override LayerPlan Plan(Shape input) => new(new Shape(checked((int)input.ElementCount)));
}
