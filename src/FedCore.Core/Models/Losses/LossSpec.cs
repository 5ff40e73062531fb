using FedCore.Models.Layers;

namespace FedCore.Models.Losses;

/// <summary>
/// A loss as a run file names it. It is the mean over a batch; its metrics are sums over examples, so that they add up over clients without anybody's
/// own figures being disclosed.
/// </summary>
public abstract record LossSpec
{
    /// <summary>Which sums it reports beside <c>examples</c> and <c>loss</c>, such as <c>correct</c>; a metric is a sum over <c>examples</c>.</summary>
    public abstract IReadOnlyList<LossMetric> Metrics { get; }

    /// <summary>Checks the shape of the model's output and says how many numbers a label has.</summary>
    /// <param name="output">The shape of one example's output.</param>
    /// <returns>What a label looks like.</returns>
    /// <exception cref="ShapeException">The loss cannot take this output.</exception>
    public abstract LabelPlan Plan(Shape output);

    /// <summary>Refuses an output that is not a vector.</summary>
    /// <param name="output">The shape of one example's output.</param>
    /// <returns>Its length.</returns>
    /// <exception cref="ShapeException">The output is not a vector.</exception>
    protected static int RequireVector(Shape output) => output.Rank == 1
        ? output[0]
        : throw new ShapeException($"it takes a vector, but the model's output has the shape {output}. End the model with a flatten or linear layer");
}

/// <summary>A metric that is a sum over examples divided by their number.</summary>
/// <param name="Sum">The name of the sum, such as <c>correct</c>.</param>
/// <param name="Mean">The name of the quotient, such as <c>accuracy</c>.</param>
/// <param name="IsShare">Whether the quotient lies from 0 to 1, so that its distribution over clients can be shown.</param>
public sealed record LossMetric(string Sum, string Mean, bool IsShare = false);

/// <summary>What a label looks like.</summary>
/// <param name="Width">Numbers per label: 1 for a class, as many as there are tokens for a class of each.</param>
/// <param name="Classes">For classes their number, labels are 0 to <paramref name="Classes"/> - 1; 0 for real-valued labels.</param>
public sealed record LabelPlan(int Width, int Classes);

/// <summary>
/// Softmax and cross-entropy over classes; labels are class numbers. On outputs [tokens, classes] there is a label for each token, and an example's loss and
/// accuracy are the means over its tokens.
/// </summary>
public sealed record SoftmaxCrossEntropySpec : LossSpec
{
    /// <inheritdoc/>
    public override IReadOnlyList<LossMetric> Metrics { get; } = [new LossMetric("correct", "accuracy", IsShare: true)];

    /// <inheritdoc/>
    public override LabelPlan Plan(Shape output)
    {
        if (output.Rank is not (1 or 2))
        {
            throw new ShapeException(
                $"it takes a vector or a sequence of them, but the model's output has the shape {output}. End the model with a flatten or linear layer");
        }

        int classes = output[output.Rank - 1];
        if (classes < 2) throw new ShapeException("it needs at least two outputs. For two classes in one output use binaryCrossEntropy");
        return new LabelPlan(output.Rank == 1 ? 1 : output[0], classes);
    }
}

/// <summary>Sigmoid and binary cross-entropy on one logit; labels are 0 or 1.</summary>
public sealed record BinaryCrossEntropySpec : LossSpec
{
    /// <inheritdoc/>
    public override IReadOnlyList<LossMetric> Metrics { get; } = [new LossMetric("correct", "accuracy", IsShare: true)];

    /// <inheritdoc/>
    public override LabelPlan Plan(Shape output)
    {
        int outputs = RequireVector(output);
        if (outputs != 1) throw new ShapeException($"it takes one output, but the model has {outputs}. For several classes use softmaxCrossEntropy");
        return new LabelPlan(1, 2);
    }
}

/// <summary>Mean squared error over all outputs; labels are as many numbers as the model has outputs.</summary>
public sealed record MeanSquaredErrorSpec : LossSpec
{
    /// <inheritdoc/>
    public override IReadOnlyList<LossMetric> Metrics { get; } = [new LossMetric("absoluteError", "meanAbsoluteError")];

    /// <inheritdoc/>
    public override LabelPlan Plan(Shape output) => new(RequireVector(output), 0);
}
