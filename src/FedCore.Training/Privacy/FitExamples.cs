using FedCore.Models;
using FedCore.Training.Data;

namespace FedCore.Training.Privacy;

/// <summary>
/// Examples of which each that a model cannot take counts as none, in place of all being refused: where a run promises privacy, whether a site takes part must not say what is in one of them, since
/// what fits is for whoever wrote the run to choose.
/// </summary>
internal sealed class FitExamples : ExampleSet
{
    private readonly ExampleSet _inner;
    private readonly bool[] _isUnfit;
    private readonly float _filling;
    private readonly float[] _noLabel;

    /// <param name="inner">The examples.</param>
    /// <param name="model">The model.</param>
    /// <param name="what">What to call the examples in a message.</param>
    /// <param name="areFinite">Whether features have to be finite; otherwise what is not is filled in later.</param>
    /// <exception cref="FedCoreException">Features or labels have another width than the model takes (<c>data.shape</c>).</exception>
    public FitExamples(ExampleSet inner, ModelPlan model, string what, bool areFinite = true)
        : base(inner.Features, inner.LabelWidth, inner.Count)
    {
        inner.RequireShapes(model, what);
        _inner = inner;
        _noLabel = new float[LabelWidth];

        // Not a number leaves an example without a gradient; a token has to be one.
        _filling = model.Vocabulary > 0 ? 0 : float.NaN;
        _isUnfit = new bool[Count];
        float[] features = new float[FeatureLength];
        for (int row = 0; row < Count; row++)
        {
            inner.CopyFeatures([row], features);
            _isUnfit[row] = ((areFinite || model.Vocabulary > 0) && !Fits(features, model.Vocabulary)) || !Fits(inner.Label(row), model.Label.Classes);
            if (_isUnfit[row]) UnfitCount++;
        }
    }

    /// <summary>How many examples do not fit.</summary>
    public int UnfitCount { get; }

    /// <summary>Whether an example fits.</summary>
    public bool Fits(int row) => !_isUnfit[row];

    internal override bool CountsAsNone(int row) => _isUnfit[row];

    public override long ByteLength => _inner.ByteLength + Count;

    public override void CopyFeatures(ReadOnlySpan<int> rows, Span<float> target)
    {
        _inner.CopyFeatures(rows, target);
        for (int i = 0; i < rows.Length; i++)
            if (_isUnfit[rows[i]]) target.Slice(i * FeatureLength, FeatureLength).Fill(_filling);
    }

    public override void Prefetch(ReadOnlySpan<int> rows) => _inner.Prefetch(rows);

    public override ReadOnlySpan<float> Label(int row) => _isUnfit[row] ? _noLabel : _inner.Label(row);

    private static bool Fits(ReadOnlySpan<float> values, int whole)
    {
        foreach (float value in values)
            if (!float.IsFinite(value) || (whole > 0 && !IsWhole(value, whole))) return false;
        return true;
    }
}
