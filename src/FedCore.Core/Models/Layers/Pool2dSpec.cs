using System.ComponentModel.DataAnnotations;

namespace FedCore.Models.Layers;

/// <summary>What the pooling layers share: a window that slides over each channel, without padding.</summary>
public abstract record Pool2dSpec : LayerSpec
{
    /// <summary>Height and width of the window, at least 1.</summary>
    [Range(1, 1024)]
    public required int Size { get; init; }

    /// <summary>Step between windows; 0, the default, stands for the window's size.</summary>
    [Range(0, 1024)]
    public int Stride { get; init; }

    /// <summary>The step that is used.</summary>
    public int EffectiveStride => Stride == 0 ? Size : Stride;

    /// <inheritdoc/>
    public override LayerPlan Plan(Shape input)
    {
        RequireImage(input);
        return new LayerPlan(new Shape(
            Window.OutputExtent(input[0], Size, EffectiveStride, null, "height"),
            Window.OutputExtent(input[1], Size, EffectiveStride, null, "width"),
            input[2]));
    }
}

/// <summary>The largest value of each window; among equals the first, row by row, gets the gradient.</summary>
public sealed record MaxPool2dSpec : Pool2dSpec;

/// <summary>The mean of each window.</summary>
public sealed record AveragePool2dSpec : Pool2dSpec;
