using FedCore.Models;

namespace FedCore.Training.Data;

/// <summary>Labelled examples with random access. Immutable, and safe for many threads.</summary>
public abstract class ExampleSet
{
    /// <summary>Describes a set.</summary>
    /// <param name="features">The shape of one example's features.</param>
    /// <param name="labelWidth">Numbers per label; a class number is one.</param>
    /// <param name="count">Number of examples.</param>
    protected ExampleSet(Shape features, int labelWidth, int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfLessThan(labelWidth, 1);
        Features = features;
        FeatureLength = checked((int)features.ElementCount);
        LabelWidth = labelWidth;
        Count = count;
    }

    /// <summary>The shape of one example's features.</summary>
    public Shape Features { get; }

    /// <summary>Numbers per example.</summary>
    public int FeatureLength { get; }

    /// <summary>Numbers per label; a class number is one.</summary>
    public int LabelWidth { get; }

    /// <summary>Number of examples.</summary>
    public int Count { get; }

    /// <summary>Copies the features of some examples, one behind the other.</summary>
    /// <param name="rows">Which examples.</param>
    /// <param name="target">Room for their features.</param>
    public abstract void CopyFeatures(ReadOnlySpan<int> rows, Span<float> target);

    /// <summary>The label of an example; for a class its number.</summary>
    /// <param name="row">Which example.</param>
    /// <returns>A view of <see cref="LabelWidth"/> numbers.</returns>
    public abstract ReadOnlySpan<float> Label(int row);
}

/// <summary>Examples in memory.</summary>
public sealed class InMemoryExamples : ExampleSet
{
    private readonly float[] _features;
    private readonly float[] _labels;

    /// <summary>Examples over existing arrays, which are not copied.</summary>
    /// <param name="shape">The shape of one example's features.</param>
    /// <param name="features">All features, example by example.</param>
    /// <param name="labels">All labels, example by example; class numbers, or as many numbers as the model has outputs.</param>
    /// <param name="labelWidth">Numbers per label.</param>
    public InMemoryExamples(Shape shape, float[] features, float[] labels, int labelWidth = 1)
        : base(shape, labelWidth, CountOf(labels, labelWidth))
    {
        ArgumentNullException.ThrowIfNull(features);
        if (features.LongLength != (long)Count * FeatureLength)
        {
            throw new ArgumentException(
                $"{Count} labels need {(long)Count * FeatureLength} features of shape {shape}, but there are {features.LongLength}.", nameof(features));
        }

        _features = features;
        _labels = labels;
    }

    /// <inheritdoc/>
    public override void CopyFeatures(ReadOnlySpan<int> rows, Span<float> target)
    {
        int length = FeatureLength;
        for (int i = 0; i < rows.Length; i++)
            _features.AsSpan(rows[i] * length, length).CopyTo(target.Slice(i * length, length));
    }

    /// <inheritdoc/>
    public override ReadOnlySpan<float> Label(int row) => _labels.AsSpan(row * LabelWidth, LabelWidth);

    /// <summary>Refuses features and labels that are not finite.</summary>
    /// <exception cref="FedCoreException">One is not (<c>data.not-finite</c>); the message says which.</exception>
    internal void RequireFinite()
    {
        if (Numerics.VectorBlocks.IsFinite(_features) && Numerics.VectorBlocks.IsFinite(_labels)) return;
        int feature = Array.FindIndex(_features, value => !float.IsFinite(value));
        int example = feature >= 0 ? feature / FeatureLength : Array.FindIndex(_labels, value => !float.IsFinite(value)) / LabelWidth;
        string what = feature >= 0 ? $"feature {feature % FeatureLength} is {_features[feature]}" : "the label is not finite";
        throw FedCoreException.Configuration("data.not-finite", $"Example {example}: {what}. Correct the data, or leave the example out.");
    }

    private static int CountOf(float[] labels, int labelWidth)
    {
        ArgumentNullException.ThrowIfNull(labels);
        return labels.Length / labelWidth;
    }
}

/// <summary>Images of bytes, which become floats from 0 to 1 when they are read: a quarter of the memory, and of the memory traffic.</summary>
public sealed class ByteImages : ExampleSet
{
    private readonly byte[] _pixels;
    private readonly float[] _labels;

    /// <summary>Images over existing arrays, which are not copied.</summary>
    /// <param name="shape">Height, width and channels, or one extent for images as vectors.</param>
    /// <param name="pixels">All pixels, image by image.</param>
    /// <param name="labels">Class numbers.</param>
    public ByteImages(Shape shape, byte[] pixels, float[] labels)
        : base(shape, 1, labels?.Length ?? throw new ArgumentNullException(nameof(labels)))
    {
        ArgumentNullException.ThrowIfNull(pixels);
        if (pixels.LongLength != (long)Count * FeatureLength)
            throw new ArgumentException($"{Count} labels need {(long)Count * FeatureLength} pixels, but there are {pixels.LongLength}.", nameof(pixels));
        _pixels = pixels;
        _labels = labels;
    }

    /// <inheritdoc/>
    public override void CopyFeatures(ReadOnlySpan<int> rows, Span<float> target)
    {
        int length = FeatureLength;
        for (int i = 0; i < rows.Length; i++)
        {
            Span<float> image = target.Slice(i * length, length);
            System.Numerics.Tensors.TensorPrimitives.ConvertTruncating<byte, float>(_pixels.AsSpan(rows[i] * length, length), image);
            System.Numerics.Tensors.TensorPrimitives.Multiply(image, 1 / 255f, image);
        }
    }

    /// <inheritdoc/>
    public override ReadOnlySpan<float> Label(int row) => _labels.AsSpan(row, 1);
}
