using System.Numerics.Tensors;
using FedCore.Numerics;
using FedCore.Updates;

namespace FedCore.Aggregation;

/// <summary>
/// Sixteen running sums. Update number i of the cohort goes to lane i mod 16, behind number i - 16; at the end the lanes are added in order. So the
/// order of every floating-point addition is fixed, and up to 16 threads fold at once.
/// </summary>
internal sealed class FoldLanes(UpdateLayout layout, FlatVectorPool pool) : IDisposable
{
    public const int Count = 16;

    private readonly Lane[] _lanes = CreateLanes(layout);

    /// <summary>Waits until every earlier update of the lane was folded or skipped.</summary>
    public ValueTask TurnAsync(int index, CancellationToken ct) => _lanes[index % Count].TurnAsync(index, ct);

    /// <summary>Adds an update whose turn it is.</summary>
    public void Fold(int index, IUpdateReader reader)
    {
        Lane lane = _lanes[index % Count];
        bool first = lane.Vector is null;
        FlatVector sum = lane.Vector ??= pool.Rent(layout.VectorLength);
        for (long offset = 0; offset < layout.VectorLength;)
        {
            ReadOnlySpan<float> chunk = reader.Read(offset);
            Span<float> target = sum.Slice(offset, chunk.Length);
            if (first) chunk.CopyTo(target);
            else TensorPrimitives.Add(target, chunk, target);
            offset += chunk.Length;
        }

        ReadOnlySpan<double> scalars = reader.Scalars;
        for (int i = 0; i < scalars.Length; i++) lane.Scalars[i] += scalars[i];
        lane.Contributors += reader.Contributors;
        lane.Advance(index);
    }

    /// <summary>Passes over an update whose turn it is and that cannot be used.</summary>
    public void Skip(int index) => _lanes[index % Count].Advance(index);

    /// <summary>Wakes everybody who waits for a turn that will not come.</summary>
    public void Abort()
    {
        foreach (Lane lane in _lanes) lane.Abort();
    }

    /// <summary>Adds the lanes up. The sum's vector is rented from the pool and now the caller's.</summary>
    public UpdateSum Combine()
    {
        double[] scalars = new double[layout.ScalarCount];
        int contributors = 0;
        var used = new List<Lane>(Count);
        foreach (Lane lane in _lanes)
        {
            for (int i = 0; i < scalars.Length; i++) scalars[i] += lane.Scalars[i];
            contributors += lane.Contributors;
            if (lane.Vector is not null) used.Add(lane);
        }

        FlatVector total;
        if (used.Count == 0)
        {
            total = pool.Rent(layout.VectorLength);
            total.Clear();
        }
        else
        {
            total = used[0].Vector!;
            used[0].Vector = null;
            for (long offset = 0; offset < layout.VectorLength; offset += VectorBlocks.BlockLength)
            {
                int count = (int)Math.Min(VectorBlocks.BlockLength, layout.VectorLength - offset);
                Span<float> target = total.Slice(offset, count);
                for (int i = 1; i < used.Count; i++) TensorPrimitives.Add(target, used[i].Vector!.Slice(offset, count), target);
            }
        }

        return new UpdateSum(layout, total, scalars, contributors);
    }

    public void Dispose()
    {
        foreach (Lane lane in _lanes)
        {
            if (lane.Vector is { } vector) pool.Return(vector);
            lane.Vector = null;
        }
    }

    private static Lane[] CreateLanes(UpdateLayout layout)
    {
        var lanes = new Lane[Count];
        for (int i = 0; i < Count; i++) lanes[i] = new Lane(i, layout.ScalarCount);
        return lanes;
    }

    private sealed class Lane(int first, int scalars)
    {
        private readonly Lock _lock = new();
        private readonly Dictionary<int, TaskCompletionSource> _waiting = [];
        private int _next = first;
        private bool _aborted;

        public FlatVector? Vector { get; set; }

        public double[] Scalars { get; } = new double[scalars];

        public int Contributors { get; set; }

        public ValueTask TurnAsync(int index, CancellationToken ct)
        {
            TaskCompletionSource turn;
            lock (_lock)
            {
                if (_aborted) throw new OperationCanceledException("Another update's fold failed.");
                if (_next == index) return ValueTask.CompletedTask;
                turn = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                _waiting.Add(index, turn);
            }

            return new ValueTask(turn.Task.WaitAsync(ct));
        }

        public void Advance(int index)
        {
            TaskCompletionSource? turn;
            lock (_lock)
            {
                _next = index + Count;
                _waiting.Remove(_next, out turn);
            }

            turn?.SetResult();
        }

        public void Abort()
        {
            lock (_lock)
            {
                _aborted = true;
                foreach (TaskCompletionSource turn in _waiting.Values) turn.TrySetCanceled();
            }
        }
    }
}
