using System.ComponentModel.DataAnnotations;

namespace FedCore.Models.Layers;

/// <summary>
/// <c>y = x K + b</c>. The kernel has the shape [inputs, outputs] (the layout of JAX and Keras; PyTorch stores its transpose).
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
        if (input.Rank != 1)
            throw new ShapeException($"it takes vectors, but what reaches it has the shape {input}. Put a flatten layer before it");
        Initializer initial = Initializer.FanIn(input[0]);
        var kernel = new TensorSpec("kernel", new Shape(input[0], Outputs), initial);
        var output = new Shape(Outputs);
        return Bias ? new LayerPlan(output, kernel, new TensorSpec("bias", output, initial)) : new LayerPlan(output, kernel);
    }
}
