using System.Numerics.Tensors;
using FedCore.Numerics;
using FedCore.Updates;

namespace FedCore.Aggregation.Robust;

/// <summary>The updates of a round, side by side: what each client's change is before it was multiplied by the client's weight, and the numbers beside it.</summary>
internal sealed class SpooledUpdates : IDisposable
{
    private readonly UpdateSpool _spool;
    private readonly double[]?[] _scalars;

    private SpooledUpdates(UpdateLayout layout, UpdateSpool spool, double[]?[] scalars, IReadOnlyList<(int, UpdateRefusedException)> refused, int contributors)
    {
        (Layout, _spool, _scalars, Refused, Contributors) = (layout, spool, scalars, refused, contributors);
        Rows = [.. Enumerable.Range(0, scalars.Length).Where(row => scalars[row] is not null)];
    }

    public UpdateLayout Layout { get; }

    /// <summary>The updates that can be used, in cohort order.</summary>
    public IReadOnlyList<int> Rows { get; }

    public IReadOnlyList<(int Index, UpdateRefusedException Reason)> Refused { get; }

    public int Contributors { get; }

    /// <summary>Takes all updates in.</summary>
    public static async Task<SpooledUpdates> CollectAsync(
        UpdateLayout layout, IReadOnlyList<IUpdateSource> updates, AggregationResources resources, CancellationToken ct)
    {
        UpdateSpool spool = new(updates.Count, layout.VectorLength, resources.Pool);
        try
        {
            double[]?[] scalars = new double[]?[updates.Count];
            var refused = new List<(int Index, UpdateRefusedException Reason)>();
            using var stop = CancellationTokenSource.CreateLinkedTokenSource(ct);
            int next = -1, contributors = 0;

            async Task TakeAsync()
            {
                try
                {
                    for (int index = Interlocked.Increment(ref next); index < updates.Count; index = Interlocked.Increment(ref next))
                    {
                        try
                        {
                            using IUpdateReader reader = await updates[index].OpenAsync(stop.Token).ConfigureAwait(false);
                            Keep(layout, reader, spool, index);
                            scalars[index] = reader.Scalars.ToArray();
                            Interlocked.Add(ref contributors, reader.Contributors);
                        }
                        catch (UpdateRefusedException reason)
                        {
                            lock (refused) refused.Add((index, reason));
                        }
                    }
                }
                catch
                {
                    await stop.CancelAsync().ConfigureAwait(false);
                    throw;
                }
            }

            await resources.RunAsync(Math.Clamp(updates.Count, 1, resources.Threads), TakeAsync).ConfigureAwait(false);
            refused.Sort((a, b) => a.Index.CompareTo(b.Index));
            return new SpooledUpdates(layout, spool, scalars, refused, contributors);
        }
        catch
        {
            spool.Dispose();
            throw;
        }
    }

    /// <summary>Reads a part of an update.</summary>
    /// <param name="row">One of <see cref="Rows"/>.</param>
    /// <param name="offset">The part's first element among the vector sections.</param>
    /// <param name="values">Receives the part.</param>
    public void Read(int row, long offset, Span<float> values) => _spool.Read(row, offset, values);

    /// <summary>A number beside the vectors, as each client sent it.</summary>
    /// <param name="index">Which of the layout's scalars.</param>
    /// <returns>A number for each of <see cref="Rows"/>.</returns>
    public double[] Scalars(int index) => [.. Rows.Select(row => _scalars[row]![index])];

    /// <summary>The weight of each of <see cref="Rows"/>.</summary>
    public double[] Weights() => Scalars((int)Layout.Find(Section.Weight).Offset);

    public void Dispose() => _spool.Dispose();

    private static void Keep(UpdateLayout layout, IUpdateReader reader, UpdateSpool spool, int index)
    {
        // Beyond these limits a change could not be told from its weight in single precision; no number of examples goes there.
        const double least = 1e-12, most = 1e18;
        double weight = reader.Scalars[(int)layout.Find(Section.Weight).Offset];
        if (!(weight >= least && weight <= most))
            throw new UpdateRefusedException(UpdateRefusedException.Weight, $"The update weighs {weight}; a rule that compares updates takes weights from {least} to {most}.");
        foreach (double scalar in reader.Scalars)
            if (!double.IsFinite(scalar)) throw new UpdateRefusedException(UpdateRefusedException.NotFinite, "A number of the update is not finite.");
        float[] block = new float[VectorBlocks.BlockLength];
        long start = 0;
        foreach (Section section in layout.Sections.Where(section => section.IsVector))
        {
            float factor = section.Weighting == Weighting.Scalar ? (float)(1 / weight) : 1;
            for (long end = start + section.Length; start < end;)
            {
                ReadOnlySpan<float> ready = reader.Read(start);
                if (ready.IsEmpty) throw new InvalidOperationException($"An update reader ended at element {start} of {layout.VectorLength}.");
                for (ready = ready[..(int)Math.Min(ready.Length, end - start)]; !ready.IsEmpty;)
                {
                    Span<float> part = block.AsSpan(0, Math.Min(ready.Length, block.Length));
                    TensorPrimitives.Multiply(ready[..part.Length], factor, part);
                    if (!VectorBlocks.IsFinite(part)) throw new UpdateRefusedException(UpdateRefusedException.NotFinite, "The update is not finite.");
                    spool.Write(index, start, part);
                    start += part.Length;
                    ready = ready[part.Length..];
                }
            }
        }
    }
}
