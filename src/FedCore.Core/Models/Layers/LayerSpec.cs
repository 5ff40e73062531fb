using System.ComponentModel.DataAnnotations;

namespace FedCore.Models.Layers;

/// <summary>
/// A layer as a run file declares it. It checks the shape that reaches it and says which shape leaves it and which tensors it owns; the arithmetic
/// lives with the trainer. Derive from it, and register the type, to add a layer.
/// </summary>
public abstract record LayerSpec
{
    /// <summary>A name for the layer's tensors; by default its type and position, such as <c>linear0</c>.</summary>
    [StringLength(200, MinimumLength = 1)]
    public string? Name { get; init; }

    /// <summary>
    /// Whether the layer is each client's own: its tensors are trained, but never leave the site (FedPer: Arivazhagan et al. 2019; of batch normalisations FedBN: Li et al.
    /// 2021). Layers within it are too.
    /// </summary>
    public bool Local { get; init; }

    /// <summary>Checks the input's shape and plans the layer.</summary>
    /// <param name="input">The shape of one example.</param>
    /// <returns>The output's shape and the layer's tensors.</returns>
    /// <exception cref="ShapeException">The layer cannot take this shape.</exception>
    public abstract LayerPlan Plan(Shape input);

    /// <summary>The same where the layer must know more than the shape: where it stands, or the names of layers within it.</summary>
    /// <param name="input">The shape of one example.</param>
    /// <param name="place">The layer's place in the model.</param>
    /// <returns>The output's shape and the layer's tensors.</returns>
    internal virtual LayerPlan Plan(Shape input, LayerPlace place) => Plan(input);

    /// <summary>Refuses an input that is not a sequence of vectors.</summary>
    /// <param name="input">The shape of one example.</param>
    /// <exception cref="ShapeException">The shape has not two extents.</exception>
    protected static void RequireSequence(Shape input)
    {
        if (input.Rank != 2)
        {
            throw new ShapeException(
                $"it takes sequences of tokens x width, but what reaches it has the shape {input}. Put an embedding layer before it, or give model.input two extents, such as [80, 32]");
        }
    }

    /// <summary>Refuses an input that is not an image of height x width x channels.</summary>
    /// <param name="input">The shape of one example.</param>
    /// <exception cref="ShapeException">The shape has not three extents.</exception>
    protected static void RequireImage(Shape input)
    {
        if (input.Rank != 3)
        {
            throw new ShapeException(
                $"it takes images of height x width x channels, but what reaches it has the shape {input}. Give model.input three extents, such as [28, 28, 1]");
        }
    }
}

/// <summary>What a layer makes of its input.</summary>
/// <param name="Output">The shape of one example behind the layer.</param>
/// <param name="Tensors">The layer's tensors, in order.</param>
public sealed record LayerPlan(Shape Output, params IReadOnlyList<TensorSpec> Tensors)
{
    /// <summary>How many different whole numbers, from 0 on, the inputs may be; 0 where they may be any numbers.</summary>
    public int Vocabulary { get; init; }

    /// <summary>The chains of layers that a layer is made of, none for most. Their tensors, in order, are the layer's.</summary>
    public IReadOnlyList<IReadOnlyList<PlannedLayer>> Chains { get; init; } = [];
}

/// <summary>A layer was given a shape that it cannot take. <see cref="ModelSpec"/> adds which layer.</summary>
/// <param name="message">What is wrong and what to do, to stand behind "model.layers[2] (linear): ".</param>
public sealed class ShapeException(string message) : Exception(message);
