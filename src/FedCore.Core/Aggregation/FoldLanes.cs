using System.Numerics.Tensors;
using FedCore.Numerics;
using FedCore.Updates;

namespace FedCore.Aggregation;

/// <summary>
/// The order of a sum. The cohort is cut into at most 64 runs of neighbours, the lanes; a lane is summed in cohort order by whoever takes it, and lanes
/// are added to the total in order. So every floating-point addition has its fixed place, whatever the number of threads, and only the lanes that are
/// being worked on or wait for one before them take memory.
/// </summary>
internal sealed class FoldLanes : IDisposable
{
    private const int MaxLanes = 64;

    private readonly Lock _lock = new();
    private readonly UpdateLayout _layout;
    private readonly FlatVectorPool _pool;
    private readonly int _updates;
    private readonly int _window;
    private readonly Dictionary<int, Lane> _done = [];
    private readonly double[] _scalars;
    private FlatVector? _total;
    private TaskCompletionSource? _moved;
    private int _next, _merged, _contributors;
    private bool _merging, _aborted, _hasTotal;

    public FoldLanes(UpdateLayout layout, AggregationResources resources, int updates)
    {
        (_layout, _pool, _updates) = (layout, resources.Pool, updates);

        // How far lanes may be ahead of the total. A worker whom the system holds up for a moment holds up the others only where memory is at stake.
        long bytes = Math.Max(1, layout.VectorLength * sizeof(float)), affordable = resources.PartialSumBytes / bytes;
        _window = (int)Math.Max(bytes < resources.LargeSumBytes ? 2 * resources.Threads + 1 : resources.Threads, Math.Min(MaxLanes, affordable));
        _scalars = new double[layout.ScalarCount];
        Count = Math.Min(updates, MaxLanes);
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
        if (_layout.VectorLength == 0) return;

        // A lane of one update whose turn it is already needs no vector of its own.
        lane.IsMerging = lane.End - lane.Begin == 1 && TryEnterTotal(lane.Index);
        FlatVector target = lane.IsMerging ? _total! : lane.Vector ??= _pool.Rent(_layout.VectorLength);
        bool isFirst = lane.IsMerging ? !_hasTotal : !lane.HasVector;
        for (long offset = 0; offset < _layout.VectorLength;)
        {
            ReadOnlySpan<float> chunk = reader.Read(offset);
            if (chunk.IsEmpty) throw new InvalidOperationException($"An update reader ended at element {offset} of {_layout.VectorLength}.");
            Span<float> sum = target.Slice(offset, chunk.Length);
            if (isFirst) chunk.CopyTo(sum);
            else TensorPrimitives.Add(sum, chunk, sum);
            offset += chunk.Length;
        }

        if (lane.IsMerging) _hasTotal = true;
        else lane.HasVector = true;
    }

    /// <summary>Ends a lane: it is added to the total as soon as those before it are.</summary>
    public void Complete(Lane lane)
    {
        Lane? ready = lane;
        if (!lane.IsMerging)
        {
            lock (_lock)
            {
                _done.Add(lane.Index, lane);
                ready = NextToMerge();
            }
        }

        while (ready is not null)
        {
            FlatVector? vector = ready.Vector;
            if (vector is not null)
            {
                if (_hasTotal) VectorBlocks.Add(_total!, vector);
                else (_total, vector, _hasTotal) = (vector, _total, true);
                ready.Vector = null;
                if (vector is not null) _pool.Return(vector);
            }

            for (int i = 0; i < _scalars.Length; i++) _scalars[i] += ready.Scalars[i];
            _contributors += ready.Contributors;
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

    // A direct fold holds the total for itself until the lane is completed by the same worker.
    private bool TryEnterTotal(int lane)
    {
        lock (_lock)
        {
            if (_merged != lane || _merging) return false;
            _merging = true;
        }

        _total ??= _pool.Rent(_layout.VectorLength);
        return true;
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

        /// <summary>Whether its update went straight to the total, which the lane holds until it is completed.</summary>
        public bool IsMerging { get; set; }

        public int Contributors { get; set; }
    }
}
