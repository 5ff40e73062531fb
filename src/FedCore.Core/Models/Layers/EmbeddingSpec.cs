using System.ComponentModel.DataAnnotations;

namespace FedCore.Models.Layers;

/// <summary>
/// Replaces each token of a sequence, a whole number from 0 to <see cref="Vocabulary"/> - 1, by a learned vector: [tokens] becomes [tokens, width]. It
/// stands where the model's input arrives.
/// </summary>
public sealed record EmbeddingSpec : LayerSpec
{
    // Uniform with deviation 1, which PyTorch's normal numbers have.
    private static readonly Initializer Initial = new(Math.Sqrt(3));

    /// <summary>Number of different tokens, at least 1.</summary>
    [Range(1, 1 << 24)]
    public required int Vocabulary { get; init; }

    /// <summary>Numbers per vector, at least 1.</summary>
    [Range(1, 1 << 20)]
    public required int Width { get; init; }

    /// <summary>Whether a learned vector for each place in the sequence is added, which attention needs to tell orders apart.</summary>
    public bool Positions { get; init; }

    /// <inheritdoc/>
    public override LayerPlan Plan(Shape input)
    {
        if (input.Rank != 1)
            throw new ShapeException($"it takes [tokens], but what reaches it has the shape {input}. Give model.input one extent, the number of tokens of an example");
        var output = new Shape(input[0], Width);
        var table = new TensorSpec("table", new Shape(Vocabulary, Width), Initial);
        return (Positions ? new LayerPlan(output, table, new TensorSpec("positions", output, Initial)) : new LayerPlan(output, table)) with { Vocabulary = Vocabulary };
    }

    /// <inheritdoc/>
    internal override LayerPlan Plan(Shape input, LayerPlace place) => place.IsInput
        ? Plan(input)
        : throw new ShapeException("it takes the numbers of tokens, which are data, but a layer before it makes other numbers of them. Put it first");
}
