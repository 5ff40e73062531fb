using System.Diagnostics;
using System.Numerics.Tensors;
using FedCore.Numerics;
using FedCore.Updates;

namespace FedCore.Aggregation;

/// <summary>
/// The order of a sum. The cohort is cut into at most 64 runs of neighbours, the lanes; a lane is summed in cohort order by whoever takes it, and lanes
/// are added to the total in order. So every floating-point addition has its fixed place, whatever the number of threads. A lane of one update goes straight
/// to the total, block by block behind the lane before it; only lanes of several, and those that would have to wait, take memory.
/// </summary>
internal sealed class FoldLanes : IDisposable
{
    private const int MaxLanes = 64;

    // So much of the total is still in the second-level cache when the next lane comes: 64 KiB.
    private const int BlockLength = 16 << 10;

    // A vector that is shorter is summed before a wait would end: 512 KiB.
    private const int LeastToWait = 8 * BlockLength;

    // How often a lane waits for a moment before it goes without the total, and how long the moment is: a few blocks.
    private const int MaxWaits = 4;

    private static readonly TimeSpan Moment = TimeSpan.FromMicroseconds(100);

    private readonly Lock _lock = new();
    private readonly UpdateLayout _layout;
    private readonly FlatVectorPool _pool;
    private readonly int _updates;
    private readonly int _window;
    private readonly Dictionary<int, Lane> _done = [];
    private readonly double[] _scalars;

    // Of each lane, up to which element it is in the total, with all before it.
    private readonly long[] _added;
    private FlatVector? _total;
    private TaskCompletionSource? _moved;
    private int _next, _merged, _contributors;
    private bool _merging, _hasTotal;
    private volatile bool _aborted;

    public FoldLanes(UpdateLayout layout, AggregationResources resources, int updates)
    {
        (_layout, _pool, _updates) = (layout, resources.Pool, updates);

        // How far lanes may be ahead of the total. A worker whom the system holds up for a moment holds up the others only where memory is at stake.
        long bytes = Math.Max(1, layout.VectorLength * sizeof(float)), affordable = resources.PartialSumBytes / bytes;
        _window = (int)Math.Max(bytes < resources.LargeSumBytes ? 2 * resources.Threads + 1 : resources.Threads, Math.Min(MaxLanes, affordable));
        _scalars = new double[layout.ScalarCount];
        Count = Math.Min(updates, MaxLanes);
        _added = new long[Count];
    }

    /// <summary>Number of lanes.</summary>
    public int Count { get; }

    /// <summary>Takes the next lane, or null when there is none. Waits while too many lanes are ahead of the total.</summary>
    public async ValueTask<Lane?> TakeAsync(CancellationToken ct)
    {
        while (true)
        {
            Task moved;
            lock (_lock)
            {
                if (_aborted || _next == Count) return null;
                if (_next < _merged + _window)
                {
                    int index = _next++;
                    return new Lane(index, First(index), First(index + 1), new double[_layout.ScalarCount]);
                }

                moved = (_moved ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
            }

            await moved.WaitAsync(ct).ConfigureAwait(false);
        }
    }

    /// <summary>Adds an update to a lane.</summary>
    public void Fold(Lane lane, IUpdateReader reader)
    {
        ReadOnlySpan<double> scalars = reader.Scalars;
        for (int i = 0; i < scalars.Length; i++) lane.Scalars[i] += scalars[i];
        lane.Contributors += reader.Contributors;
        bool isFirst = !lane.HasVector;
        for (long offset = 0; offset < _layout.VectorLength;)
        {
            ReadOnlySpan<float> chunk = reader.Read(offset);
            if (chunk.IsEmpty) throw new InvalidOperationException($"An update reader ended at element {offset} of {_layout.VectorLength}.");
            for (; !chunk.IsEmpty; chunk = chunk[Math.Min(BlockLength, chunk.Length)..])
            {
                ReadOnlySpan<float> block = chunk[..Math.Min(BlockLength, chunk.Length)];
                if (MayAdd(lane, offset, block.Length)) AddToTotal(lane, offset, block);
                else Sum(block, (lane.Vector ??= _pool.Rent(_layout.VectorLength)).Slice(offset, block.Length), isFirst);
                offset += block.Length;
            }
        }

        lane.HasVector = lane.Vector is not null;
    }

    /// <summary>Ends a lane: it is added to the total, unless it is there, as soon as those before it are.</summary>
    public void Complete(Lane lane)
    {
        Lane? ready;
        lock (_lock)
        {
            _done.Add(lane.Index, lane);
            ready = NextToMerge();
        }

        while (ready is not null)
        {
            if (ready.Vector is not null) AddVector(ready, _layout.VectorLength);
            for (int i = 0; i < _scalars.Length; i++) _scalars[i] += ready.Scalars[i];
            _contributors += ready.Contributors;

            // Whoever follows it may go on, also where it has added nothing.
            Volatile.Write(ref _added[ready.Index], long.MaxValue);
            lock (_lock)
            {
                _merged++;
                _merging = false;
                Wake();
                ready = NextToMerge();
            }
        }
    }

    /// <summary>Wakes everybody who waits for a lane: there will be none. The caller's own lane, if it has one, is dropped.</summary>
    public void Abort(Lane? lane)
    {
        if (lane?.Vector is { } vector)
        {
            lane.Vector = null;
            _pool.Return(vector);
        }

        lock (_lock)
        {
            _aborted = true;
            Wake();
        }
    }

    /// <summary>The sum of all lanes. Its vector is now the caller's.</summary>
    public UpdateSum Sum()
    {
        FlatVector total = _total ?? _pool.Rent(_layout.VectorLength);
        _total = null;
        if (!_hasTotal) total.Clear();
        return new UpdateSum(_layout, total, _scalars, _contributors);
    }

    public void Dispose()
    {
        if (_total is not null) _pool.Return(_total);
        foreach (Lane lane in _done.Values)
            if (lane.Vector is { } vector) _pool.Return(vector);
    }

    private int First(int lane) => (int)((long)lane * _updates / Count);

    // Whether a block may be added to the total. A lane that has begun to waits for the one before it; another one goes without it.
    private bool MayAdd(Lane lane, long offset, int count)
    {
        if (lane.End - lane.Begin > 1) return false;
        if (lane.Index > 0 && !WaitFor(lane, ref _added[lane.Index - 1], offset, count)) return false;
        if (lane.IsInTotal) return true;
        lane.IsInTotal = true;
        if (lane.Vector is not null) AddVector(lane, offset);
        return true;
    }

    private bool WaitFor(Lane lane, ref long added, long offset, int count)
    {
        long before = Volatile.Read(ref added), end = offset + count;
        if (before >= end) return true;
        if (!lane.IsInTotal && (_layout.VectorLength < LeastToWait || before < offset - BlockLength || lane.Waits++ >= MaxWaits)) return false;
        long start = Stopwatch.GetTimestamp();
        for (var spin = default(SpinWait); Volatile.Read(ref added) < end; spin.SpinOnce(lane.IsInTotal ? 20 : -1))
        {
            if (_aborted) throw new OperationCanceledException("The sum was given up.");
            if (!lane.IsInTotal && Stopwatch.GetElapsedTime(start) > Moment) return false;
        }

        return true;
    }

    // What a lane has kept for itself so far.
    private void AddVector(Lane lane, long length)
    {
        FlatVector vector = lane.Vector!;
        for (long offset = 0; offset < length; offset += BlockLength)
            AddToTotal(lane, offset, vector.Slice(offset, (int)Math.Min(BlockLength, length - offset)));
        lane.Vector = null;
        _pool.Return(vector);
    }

    // Nobody else is at this block: those before have passed it, and those behind wait.
    private void AddToTotal(Lane lane, long offset, ReadOnlySpan<float> block)
    {
        if (offset == 0) lane.IsFirst = !_hasTotal;
        if (lane.IsFirst && offset == 0) (_total, _hasTotal) = (_pool.Rent(_layout.VectorLength), true);
        Sum(block, _total!.Slice(offset, block.Length), lane.IsFirst);
        Volatile.Write(ref _added[lane.Index], offset + block.Length);
    }

    private static void Sum(ReadOnlySpan<float> block, Span<float> sum, bool isFirst)
    {
        if (isFirst) block.CopyTo(sum);
        else TensorPrimitives.Add(sum, block, sum);
    }

    // Under the lock.
    private Lane? NextToMerge()
    {
        if (_merging || !_done.Remove(_merged, out Lane? lane)) return null;
        _merging = true;
        return lane;
    }

    private void Wake()
    {
        _moved?.SetResult();
        _moved = null;
    }

    /// <summary>A run of neighbours in the cohort while it is summed.</summary>
    public sealed class Lane(int index, int begin, int end, double[] scalars)
    {
        public int Index { get; } = index;

        /// <summary>Its first update.</summary>
        public int Begin { get; } = begin;

        /// <summary>Behind its last update.</summary>
        public int End { get; } = end;

        public double[] Scalars { get; } = scalars;

        public FlatVector? Vector { get; set; }

        public bool HasVector { get; set; }

        /// <summary>Whether its update goes straight to the total.</summary>
        public bool IsInTotal { get; set; }

        /// <summary>Whether nothing was in the total before it.</summary>
        public bool IsFirst { get; set; }

        /// <summary>How often it has waited for the lane before it.</summary>
        public int Waits { get; set; }

        public int Contributors { get; set; }
    }
}
