using FedCore.Numerics;

namespace FedCore.Aggregation.Robust;

/// <summary>
/// Walks over updates in blocks that a second-level cache holds: some columns of all of them at a time. The columns are cut into 16 runs of neighbours, the lanes;
/// each is walked in order by whoever takes it, so that sums over columns have the same bits for any number of threads.
/// </summary>
internal static class BlockPass
{
    /// <summary>Number of lanes.</summary>
    public const int Lanes = 16;

    private const int BlockBytes = 512 * 1024, MostColumns = 1024, FewestColumns = 64;

    /// <summary>What is done with a block.</summary>
    public delegate void Work(in Block block);

    /// <summary>Walks over some elements of some updates.</summary>
    /// <param name="updates">The updates.</param>
    /// <param name="rows">Which of them, at least one.</param>
    /// <param name="begin">The first element.</param>
    /// <param name="end">Behind the last element.</param>
    /// <param name="resources">Threads and memory.</param>
    /// <param name="work">What is done, on several threads at once.</param>
    /// <param name="ct">Cancels the walk.</param>
    /// <param name="lanes">Number of lanes, at most <see cref="Lanes"/>.</param>
    public static Task RunAsync(
        SpooledUpdates updates, IReadOnlyList<int> rows, long begin, long end, AggregationResources resources, Work work, CancellationToken ct, int lanes = Lanes)
    {
        int columns = Math.Clamp(BlockBytes / sizeof(float) / rows.Count / 32 * 32, FewestColumns, MostColumns);

        // Rows are an odd number of cache lines apart, so that those of a column do not compete for the same places of the cache.
        int pitch = columns + 16;
        long blocks = (end - begin + columns - 1) / columns;
        int next = -1;
        return resources.RunAsync(
            (int)Math.Clamp(Math.Min(lanes, blocks), 1, resources.Threads),
            () =>
            {
                FlatVector buffer = resources.Pool.Rent((long)rows.Count * pitch);
                try
                {
                    for (int lane = Interlocked.Increment(ref next); lane < lanes; lane = Interlocked.Increment(ref next))
                    {
                        for (long index = lane * blocks / lanes; index < (lane + 1) * blocks / lanes; index++)
                        {
                            ct.ThrowIfCancellationRequested();
                            long offset = begin + index * columns;
                            int count = (int)Math.Min(columns, end - offset), whole = (count + 15) / 16 * 16;
                            for (int row = 0; row < rows.Count; row++)
                            {
                                Span<float> values = buffer.Slice((long)row * pitch, whole);
                                updates.Read(rows[row], offset, values[..count]);
                                values[count..].Clear();
                            }

                            work(new Block(lane, offset, count, rows.Count, buffer, pitch));
                        }
                    }
                }
                finally
                {
                    resources.Pool.Return(buffer);
                }

                return Task.CompletedTask;
            });
    }

    /// <summary>Some columns of all updates.</summary>
    /// <param name="lane">The lane that the columns are in.</param>
    /// <param name="offset">The first column's place among the elements.</param>
    /// <param name="columns">How many columns.</param>
    /// <param name="rows">How many updates.</param>
    /// <param name="values">The values, row by row; each row goes on with zeros to a whole number of vectors of 16.</param>
    /// <param name="pitch">From one row to the next, in elements.</param>
    public readonly unsafe ref struct Block(int lane, long offset, int columns, int rows, FlatVector values, int pitch)
    {
        public int Lane { get; } = lane;

        public long Offset { get; } = offset;

        public int Columns { get; } = columns;

        public int Rows { get; } = rows;

        public int Pitch { get; } = pitch;

        public float* Values { get; } = values.Pointer;

        /// <summary>The values of one update.</summary>
        public Span<float> Row(int row) => new(Values + (nint)row * Pitch, Columns);
    }
}
