namespace FedCore.Training.Data;

/// <summary>Some examples of a set, in an order: what one client has.</summary>
/// <param name="set">The set.</param>
/// <param name="rows">Which of its examples.</param>
public sealed class ExampleView(ExampleSet set, ReadOnlyMemory<int> rows)
{
    /// <summary>The set.</summary>
    public ExampleSet Set { get; } = set;

    /// <summary>Which of its examples.</summary>
    public ReadOnlyMemory<int> Rows { get; } = rows;

    /// <summary>Number of examples.</summary>
    public int Count => Rows.Length;

    /// <summary>All examples of a set, in its order.</summary>
    /// <param name="set">The set.</param>
    /// <returns>The view.</returns>
    public static ExampleView All(ExampleSet set)
    {
        ArgumentNullException.ThrowIfNull(set);
        return new ExampleView(set, Enumerable.Range(0, set.Count).ToArray());
    }
}

/// <summary>The examples of one client.</summary>
/// <param name="Train">What it trains on.</param>
/// <param name="Test">What it holds back for evaluation; may be empty.</param>
public sealed record ClientData(ExampleView Train, ExampleView Test)
{
    /// <summary>In which batches the client trains in a round, or null for shuffled ones; for repeating a recorded run.</summary>
    public Func<int, IBatchOrder>? Batches { get; init; }

    /// <summary>How many records do not fit what the run says of its data, and count as none: a site's secret.</summary>
    public int UnfitCount { get; init; }
}

/// <summary>The batches of a round, one behind the other.</summary>
public interface IBatchOrder
{
    /// <summary>The next batch.</summary>
    /// <returns>Places in the client's training view; valid until the next call. At least one, unless the batch is drawn example by example.</returns>
    ReadOnlySpan<int> Next();

    /// <summary>What comes next as far as it is known already, so that it can be prefetched; may be empty.</summary>
    /// <returns>Places in the client's training view; valid until the next call.</returns>
    ReadOnlySpan<int> Peek() => [];
}

/// <summary>Passes over all examples, each in a new random order; the last batch of a pass may be smaller (McMahan et al. 2017, algorithm 1).</summary>
internal sealed class ShuffledBatches : IBatchOrder
{
    private int[] _order = [];
    private int _count, _batchSize, _next;
    private Numerics.RandomStream? _random;

    /// <summary>Begins anew, for another client.</summary>
    public void Reset(int count, int batchSize, Numerics.RandomStream random)
    {
        if (_order.Length < count) _order = new int[count];
        for (int i = 0; i < count; i++) _order[i] = i;
        (_count, _batchSize, _next, _random) = (count, batchSize == 0 ? count : batchSize, count, random);
    }

    public ReadOnlySpan<int> Next()
    {
        if (_next >= _count)
        {
            _next = 0;
            _random!.Shuffle(_order.AsSpan(0, _count));
        }

        int length = Math.Min(_batchSize, _count - _next);
        ReadOnlySpan<int> batch = _order.AsSpan(_next, length);
        _next += length;
        return batch;
    }

    public ReadOnlySpan<int> Peek() => _order.AsSpan(_next, Math.Min(_batchSize, _count - _next));
}
