namespace FedCore.Training.Data;

/// <summary>Some of a set's examples, as a set of their own.</summary>
/// <param name="inner">The set.</param>
/// <param name="rows">Which of its examples.</param>
internal sealed class SomeExamples(ExampleSet inner, int[] rows) : ExampleSet(inner.Features, inner.LabelWidth, rows.Length)
{
    public override long ByteLength => inner.ByteLength + (long)rows.Length * sizeof(int);

    public override void CopyFeatures(ReadOnlySpan<int> places, Span<float> target)
    {
        for (int i = 0; i < places.Length; i++) inner.CopyFeatures([rows[places[i]]], target[(i * FeatureLength)..]);
    }

    public override ReadOnlySpan<float> Label(int place) => inner.Label(rows[place]);
}
