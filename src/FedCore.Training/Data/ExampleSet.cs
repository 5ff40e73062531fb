using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using System.Security.Cryptography;
using FedCore.Models;

namespace FedCore.Training.Data;

/// <summary>Labelled examples with random access. Immutable, and safe for many threads.</summary>
public abstract class ExampleSet
{
    private const int CacheLine = 64;

    // Of each row: behind its first lines the processor sees that it goes on. To ask for all of them takes longer than it saves.
    private const int PrefetchBytes = 4 * CacheLine;

    private const int DigestBlock = 1 << 16;

    private ModelPlan? _fits;

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

    /// <summary>About how many bytes of memory the examples take; by default as many as floats would.</summary>
    public virtual long ByteLength => Count * ((long)FeatureLength + LabelWidth) * sizeof(float);

    /// <summary>Copies the features of some examples, one behind the other.</summary>
    /// <param name="rows">Which examples.</param>
    /// <param name="target">Room for their features.</param>
    public abstract void CopyFeatures(ReadOnlySpan<int> rows, Span<float> target);

    /// <summary>Adds all features and labels to a digest.</summary>
    /// <param name="digest">The digest.</param>
    internal void AddTo(IncrementalHash digest)
    {
        int step = Math.Max(1, DigestBlock / (FeatureLength + LabelWidth));
        float[] features = new float[step * FeatureLength], labels = new float[step * LabelWidth];
        int[] rows = new int[step];
        for (int start = 0; start < Count; start += step)
        {
            int count = Math.Min(step, Count - start);
            for (int i = 0; i < count; i++) rows[i] = start + i;
            CopyFeatures(rows.AsSpan(0, count), features);
            CopyLabels(rows.AsSpan(0, count), labels);
            digest.AppendData(MemoryMarshal.AsBytes(features.AsSpan(0, count * FeatureLength)));
            digest.AppendData(MemoryMarshal.AsBytes(labels.AsSpan(0, count * LabelWidth)));
        }
    }

    /// <summary>Whether an example is one that has no gradient and is in no statistic, though it keeps its place: what a run that hides single examples cannot take.</summary>
    internal virtual bool CountsAsNone(int row) => false;

    /// <summary>Says that the features of some examples are read soon, so that they may be on their way to the cache by then.</summary>
    /// <param name="rows">Which examples.</param>
    public virtual void Prefetch(ReadOnlySpan<int> rows)
    {
    }

    /// <summary>The label of an example; for a class its number.</summary>
    /// <param name="row">Which example.</param>
    /// <returns>A view of <see cref="LabelWidth"/> numbers.</returns>
    public abstract ReadOnlySpan<float> Label(int row);

    /// <summary>Copies the labels of some examples, one behind the other.</summary>
    /// <param name="rows">Which examples.</param>
    /// <param name="target">Room for their labels.</param>
    public virtual void CopyLabels(ReadOnlySpan<int> rows, Span<float> target)
    {
        for (int i = 0; i < rows.Length; i++) Label(rows[i]).CopyTo(target[(i * LabelWidth)..]);
    }

    /// <summary>Whether <see cref="RequireFit"/> has found that a model can take the examples.</summary>
    /// <param name="model">The model.</param>
    /// <returns>True if it was asked about this model, and found so.</returns>
    public bool Fits(ModelPlan model) => ReferenceEquals(_fits, model);

    /// <summary>Refuses examples that a model cannot take. The answer is kept, so asking again costs nothing.</summary>
    /// <param name="model">The model.</param>
    /// <param name="what">What to call the examples in a message, such as <c>The training examples</c>.</param>
    /// <exception cref="FedCoreException">Features or labels have another width than the model takes (<c>data.shape</c>), a label is no class of the
    /// model's (<c>data.label</c>), or a feature no token of its vocabulary (<c>data.token</c>).</exception>
    public void RequireFit(ModelPlan model, string what)
    {
        ArgumentNullException.ThrowIfNull(model);
        if (Fits(model)) return;
        RequireShapes(model, what);
        (int width, int classes) = model.Label;
        for (int row = 0; classes > 0 && row < Count; row++)
        {
            ReadOnlySpan<float> labels = Label(row);
            for (int i = 0; i < labels.Length; i++)
            {
                if (IsWhole(labels[i], classes)) continue;
                throw FedCoreException.Configuration(
                    "data.label", $"{what}: label {row}{(width > 1 ? $", number {i}," : "")} is {labels[i]}, but the model tells the classes 0 to {classes - 1} apart. "
                    + "Change the last layer's outputs, or correct the data.");
            }
        }

        RequireTokens(model.Vocabulary, what);
        _fits = model;
    }

    /// <summary>Refuses examples of which none has the widths that a model takes.</summary>
    /// <exception cref="FedCoreException">Features or labels have another width (<c>data.shape</c>).</exception>
    internal void RequireShapes(ModelPlan model, string what)
    {
        if (FeatureLength != model.Input.ElementCount)
        {
            throw FedCoreException.Configuration(
                "data.shape", $"{what} have {FeatureLength} features each, the shape {Features}, but model.input is {model.Input}. Set model.input to {Features}, or correct the data.");
        }

        if (LabelWidth != model.Label.Width)
        {
            throw FedCoreException.Configuration(
                "data.shape", $"{what} have labels of {LabelWidth} numbers, but model.loss takes {model.Label.Width}. Change the last layer's outputs or the loss, or correct the data.");
        }
    }

    private void RequireTokens(int vocabulary, string what)
    {
        float[] features = vocabulary > 0 ? new float[FeatureLength] : [];
        for (int row = 0; vocabulary > 0 && row < Count; row++)
        {
            CopyFeatures([row], features);
            int place = Array.FindIndex(features, value => !IsWhole(value, vocabulary));
            if (place < 0) continue;
            throw FedCoreException.Configuration(
                "data.token", $"{what}: feature {place} of example {row} is {features[place]}, but the model's embedding takes the whole numbers 0 to {vocabulary - 1}. "
                + "Set its vocabulary to a larger number, or correct the data.");
        }
    }

    private protected static bool IsWhole(float value, int count) => value >= 0 && value < count && value == MathF.Floor(value);

    /// <summary>Asks for the beginning of some rows of an array.</summary>
    private protected static unsafe void PrefetchRows<T>(T[] values, int length, ReadOnlySpan<int> rows)
        where T : unmanaged
    {
        if (!Sse.IsSupported) return;
        foreach (int row in rows)
        {
            // An address is enough: a prefetch of memory that has moved meanwhile does no harm.
            byte* line = (byte*)Unsafe.AsPointer(ref values[(nint)row * length]), end = line + Math.Min((nint)length * sizeof(T), PrefetchBytes);
            for (; line < end; line += CacheLine) Sse.Prefetch1(line);
        }
    }

    /// <summary>The same for labels of one number in an array.</summary>
    private protected static void Gather(float[] labels, ReadOnlySpan<int> rows, Span<float> target)
    {
        for (int i = 0; i < rows.Length; i++) target[i] = labels[rows[i]];
    }
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
    public override void Prefetch(ReadOnlySpan<int> rows) => PrefetchRows(_features, FeatureLength, rows);

    /// <inheritdoc/>
    public override ReadOnlySpan<float> Label(int row) => _labels.AsSpan(row * LabelWidth, LabelWidth);

    /// <inheritdoc/>
    public override void CopyLabels(ReadOnlySpan<int> rows, Span<float> target)
    {
        if (LabelWidth == 1) Gather(_labels, rows, target);
        else base.CopyLabels(rows, target);
    }

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
    public override long ByteLength => Count * ((long)FeatureLength + LabelWidth * sizeof(float));

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
    public override void Prefetch(ReadOnlySpan<int> rows) => PrefetchRows(_pixels, FeatureLength, rows);

    /// <inheritdoc/>
    public override ReadOnlySpan<float> Label(int row) => _labels.AsSpan(row, 1);

    /// <inheritdoc/>
    public override void CopyLabels(ReadOnlySpan<int> rows, Span<float> target) => Gather(_labels, rows, target);
}
