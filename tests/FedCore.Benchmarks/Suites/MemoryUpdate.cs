using FedCore.Numerics;
using FedCore.Updates;

namespace FedCore.Benchmarks.Suites;

/// <summary>An update of random numbers that lies in memory.</summary>
internal sealed class MemoryUpdate : IUpdateSource, IUpdateReader
{
    private readonly FlatVector _values;
    private readonly double[] _scalars = [1];

    public MemoryUpdate(UpdateLayout layout, RandomStream random)
    {
        _values = new FlatVector(layout.VectorLength);
        foreach (ref float value in _values.AsSpan()) value = (float)random.NextDouble();
    }

    public int Contributors => 1;

    public ReadOnlySpan<double> Scalars => _scalars;

    /// <summary>The model's change and the weight.</summary>
    public static UpdateLayout Layout(int length) => new(
        new Section(Section.Model, SectionRole.Model, length, Weighting.Scalar), new Section(Section.Weight, SectionRole.Weight, 1));

    public ValueTask<IUpdateReader> OpenAsync(CancellationToken ct) => new(this);

    public ReadOnlySpan<float> Read(long offset) => _values.Slice(offset, (int)Math.Min(VectorBlocks.BlockLength, _values.Length - offset));

    void IDisposable.Dispose()
    {
    }

    public void Dispose() => _values.Dispose();
}
