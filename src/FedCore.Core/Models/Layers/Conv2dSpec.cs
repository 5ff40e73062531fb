using System.ComponentModel.DataAnnotations;

namespace FedCore.Models.Layers;

/// <summary>
/// Two-dimensional convolution (cross-correlation, as everywhere in the field) over images of height x width x channels. The kernel has the shape
/// [kernel height, kernel width, input channels, output channels] (the layout of JAX and Keras; PyTorch stores [out, in, height, width]).
/// </summary>
public sealed record Conv2dSpec : LayerSpec
{
    /// <summary>Number of output channels, at least 1.</summary>
    [Range(1, 1 << 20)]
    public required int Channels { get; init; }

    /// <summary>Height and width of the kernel, at least 1.</summary>
    [Range(1, 1024)]
    public required int Kernel { get; init; }

    /// <summary>Step between outputs in both directions, at least 1.</summary>
    [Range(1, 1024)]
    public int Stride { get; init; } = 1;

    /// <summary>Rows and columns of zeros around the image, 0 or more; half the kernel keeps the size.</summary>
    [Range(0, 1023)]
    public int Padding { get; init; }

    /// <summary>Whether a bias per output channel is added.</summary>
    public bool Bias { get; init; } = true;

    /// <inheritdoc/>
    public override LayerPlan Plan(Shape input)
    {
        RequireImage(input);
        if (Padding >= Kernel) throw new ShapeException($"padding {Padding} must be smaller than the kernel, {Kernel}");
        var output = new Shape(
            Window.OutputExtent(input[0], Kernel, Stride, Padding, "height"),
            Window.OutputExtent(input[1], Kernel, Stride, Padding, "width"),
            Channels);
        Initializer initial = Initializer.FanIn(checked(Kernel * Kernel * input[2]));
        var kernel = new TensorSpec("kernel", new Shape(Kernel, Kernel, input[2], Channels), initial);
        return Bias ? new LayerPlan(output, kernel, new TensorSpec("bias", new Shape(Channels), initial)) : new LayerPlan(output, kernel);
    }
}
