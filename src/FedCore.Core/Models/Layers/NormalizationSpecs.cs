using System.ComponentModel.DataAnnotations;
using FedCore.Naming;

namespace FedCore.Models.Layers;

/// <summary>What the normalisations share: values are made zero-mean and of variance one, then scaled and shifted by learned numbers per channel.</summary>
public abstract record NormalizationSpec : LayerSpec
{
    /// <summary>Added to the variance, above 0.</summary>
    [Range(0, 1, MinimumIsExclusive = true)]
    public double Epsilon { get; init; } = 1e-5;

    /// <summary>The layer over channels, which are the last extent.</summary>
    /// <param name="input">The shape of one example.</param>
    /// <returns>The plan: the same shape, a scale of ones and a shift of zeros.</returns>
    protected static LayerPlan PlanChannels(Shape input)
    {
        if (input.Rank == 0) throw new ShapeException("it takes vectors, sequences or images, but what reaches it is a single number");
        var channels = new Shape(input[input.Rank - 1]);
        return new LayerPlan(input, new TensorSpec("scale", channels, new Initializer(0, 1)), new TensorSpec("shift", channels, Initializer.Zero));
    }
}

/// <summary>Normalises each vector of the last extent by itself: each token of a sequence, each pixel of an image.</summary>
[Paper("Ba et al. 2016, Layer Normalization", "https://arxiv.org/abs/1607.06450")]
public sealed record LayerNormSpec : NormalizationSpec
{
    /// <inheritdoc/>
    public override LayerPlan Plan(Shape input) => PlanChannels(input);
}

/// <summary>
/// Normalises each channel over all examples and pixels of a batch, and in evaluation by running means of x and x², which are averaged over the clients like the model's
/// change. Where clients differ, let it be local (FedBN), or use group normalisation; examples mix, so it has no example-level privacy.
/// </summary>
[Paper("Ioffe and Szegedy 2015, Batch Normalization", "https://arxiv.org/abs/1502.03167")]
[Paper("Li et al. 2021, FedBN: Federated Learning on Non-IID Features via Local Batch Normalization", "https://arxiv.org/abs/2102.07623")]
public sealed record BatchNormSpec : NormalizationSpec
{
    /// <summary>How much a batch counts for the running means, above 0; the rest is what they were. PyTorch's default is 0.1.</summary>
    [Range(0, 1, MinimumIsExclusive = true)]
    public double Momentum { get; init; } = 0.1;

    /// <inheritdoc/>
    public override LayerPlan Plan(Shape input)
    {
        LayerPlan plan = PlanChannels(input);
        Shape channels = plan.Tensors[0].Shape;
        return plan with
        {
            Tensors =
            [
                .. plan.Tensors,
                new TensorSpec("mean", channels, Initializer.Zero, TensorRole.Buffer), new TensorSpec("meanSquare", channels, new Initializer(0, 1), TensorRole.Buffer),
            ],
        };
    }
}

/// <summary>
/// Normalises groups of neighbouring channels over all pixels of one example. Examples do not mix, so it goes with clients that differ and with example-level
/// privacy, where batch normalisation does not.
/// </summary>
[Paper("Wu and He 2018, Group Normalization", "https://arxiv.org/abs/1803.08494")]
public sealed record GroupNormSpec : NormalizationSpec
{
    /// <summary>Number of groups, which divides the number of channels.</summary>
    [Range(1, 1 << 20)]
    public required int Groups { get; init; }

    /// <inheritdoc/>
    public override LayerPlan Plan(Shape input)
    {
        LayerPlan plan = PlanChannels(input);
        int channels = input[input.Rank - 1];
        if (channels % Groups != 0) throw new ShapeException($"groups is {Groups}, which does not divide the {channels} channels that reach it. Use a divisor of {channels}");
        return plan;
    }
}
