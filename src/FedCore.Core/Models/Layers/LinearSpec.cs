using System.ComponentModel.DataAnnotations;

namespace FedCore.Models.Layers;

/// <summary>
/// <c>y = x K + b</c>, of a vector or of each token of a sequence. The kernel has the shape [inputs, outputs] (the layout of JAX and Keras; PyTorch stores its transpose).
/// </summary>
public sealed record LinearSpec : LayerSpec
{
    /// <summary>Number of outputs, at least 1.</summary>
    [Range(1, 1 << 24)]
    public required int Outputs { get; init; }

    /// <summary>Whether a bias is added.</summary>
    public bool Bias { get; init; } = true;

    /// <inheritdoc/>
    public override LayerPlan Plan(Shape input)
    {
        if (input.Rank is not (1 or 2))
            throw new ShapeException($"it takes vectors or sequences of them, but what reaches it has the shape {input}. Put a flatten layer before it");
        int inputs = input[input.Rank - 1];
        Initializer initial = Initializer.FanIn(inputs);
        var kernel = new TensorSpec("kernel", new Shape(inputs, Outputs), initial);
        Shape output = input.Rank == 1 ? new Shape(Outputs) : new Shape(input[0], Outputs);
        return Bias ? new LayerPlan(output, kernel, new TensorSpec("bias", new Shape(Outputs), initial)) : new LayerPlan(output, kernel);
    }
}
