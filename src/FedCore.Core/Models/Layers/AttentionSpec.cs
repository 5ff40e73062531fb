using System.ComponentModel.DataAnnotations;
using FedCore.Naming;

namespace FedCore.Models.Layers;

/// <summary>
/// Multi-head self-attention over a sequence: in each head softmax(q kᵀ / sqrt(width / heads)) v, heads side by side, then a linear layer. Queries, keys and
/// values are one projection [width, 3 width], side by side in this order.
/// </summary>
[Paper("Vaswani et al. 2017, Attention Is All You Need", "https://arxiv.org/abs/1706.03762")]
public sealed record AttentionSpec : LayerSpec
{
    // A head's weights, [tokens, tokens], are counted by 31 bits.
    private const int MaxTokens = 46_340;

    /// <summary>Number of heads, which divides the width.</summary>
    [Range(1, 1 << 16)]
    public required int Heads { get; init; }

    /// <summary>Whether a token sees only itself and those before it.</summary>
    public bool Causal { get; init; } = true;

    /// <summary>Whether both projections add a bias.</summary>
    public bool Bias { get; init; } = true;

    /// <inheritdoc/>
    public override LayerPlan Plan(Shape input)
    {
        RequireSequence(input);
        int width = input[1], columns = checked(3 * width);
        if (width % Heads != 0) throw new ShapeException($"heads is {Heads}, which does not divide the width {width} that reaches it. Use a divisor of {width}");
        if (input[0] > MaxTokens) throw new ShapeException($"it takes at most {MaxTokens} tokens, but {input[0]} reach it. Use shorter examples");

        // As PyTorch's MultiheadAttention: Xavier uniform (Glorot and Bengio 2010) for the first, zero biases.
        var projection = new TensorSpec("projection", new Shape(width, columns), new Initializer(Math.Sqrt(6.0 / (width + columns))));
        var output = new TensorSpec("output", new Shape(width, width), Initializer.FanIn(width));
        if (!Bias) return new LayerPlan(input, projection, output);
        var projectionBias = new TensorSpec("projectionBias", new Shape(columns), Initializer.Zero);
        return new LayerPlan(input, projection, projectionBias, output, new TensorSpec("outputBias", new Shape(width), Initializer.Zero));
    }
}
