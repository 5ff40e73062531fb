using FedCore.Numerics;
using FedCore.Updates;

namespace FedCore.Core.Tests.Aggregation;

/// <summary>An update that is there: its values, and what happens before it can be read, and before each of its chunks.</summary>
internal sealed class FakeUpdate(float[] values, double[] scalars, Func<CancellationToken, Task>? opening = null, int contributors = 1, Action<long>? reading = null) : IUpdateSource
{
    private int _open;

    /// <summary>How many readers of it were not given back.</summary>
    public int Open => _open;

    public float[] Values => values;

    public double[] Scalars => scalars;

    public async ValueTask<IUpdateReader> OpenAsync(CancellationToken ct)
    {
        if (opening is not null) await opening(ct);
        Interlocked.Increment(ref _open);
        return new Reader(this, contributors, reading);
    }

    /// <summary>Updates with random values over a layout of one vector and two numbers.</summary>
    public static FakeUpdate[] Many(int count, int length, Func<int, Func<CancellationToken, Task>?>? opening = null, bool whole = false, Func<int, Action<long>?>? reading = null) =>
        [.. Enumerable.Range(0, count).Select(i =>
        {
            RandomStream random = Statistics.Stream("update", i);
            float[] values = [.. Enumerable.Range(0, length).Select(_ => whole ? random.NextInt32(2001) - 1000 : (float)random.NextNormal())];
            return new FakeUpdate(values, [1 + i, random.NextNormal()], opening?.Invoke(i), reading: reading?.Invoke(i));
        })];

    public static UpdateLayout Layout(int length) => new(
        new Section(Section.Model, SectionRole.Model, length, Weighting.Scalar),
        new Section(Section.Weight, SectionRole.Weight, 1), new Section("loss", SectionRole.Metric, 1));

    private sealed class Reader(FakeUpdate update, int contributors, Action<long>? reading) : IUpdateReader
    {
        // A length that divides nothing, so that chunks and blocks do not coincide.
        private const int Chunk = 1013;

        public int Contributors => contributors;

        public ReadOnlySpan<double> Scalars => update.Scalars;

        public ReadOnlySpan<float> Read(long offset)
        {
            reading?.Invoke(offset);
            return update.Values.AsSpan((int)offset, Math.Min(Chunk, update.Values.Length - (int)offset));
        }

        public void Dispose() => Interlocked.Decrement(ref update._open);
    }
}
