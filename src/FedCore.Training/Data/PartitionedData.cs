using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using FedCore.Numerics;
using FedCore.Training.Partitioning;

namespace FedCore.Training.Data;

/// <summary>A pool of examples, dealt out to clients.</summary>
public sealed class PartitionedData : IFederatedData
{
    private readonly DataPool _pool;
    private readonly Partition _partition;
    private readonly double _testFraction;
    private readonly int[] _testRows;
    private readonly ConcurrentDictionary<long, ClientData>? _prepared;

    /// <summary>Deals a pool out.</summary>
    /// <param name="pool">The examples.</param>
    /// <param name="partition">Which client has which rows of the training set; each client's are shuffled in place.</param>
    /// <param name="testFraction">The share that each client holds back where the pool has no test set of its own; a test set is dealt out at random
    /// in equal parts.</param>
    /// <param name="keys">The root of the random streams.</param>
    public PartitionedData(DataPool pool, Partition partition, double testFraction, RandomKeys keys)
    {
        ArgumentNullException.ThrowIfNull(pool);
        ArgumentNullException.ThrowIfNull(partition);
        ArgumentNullException.ThrowIfNull(keys);
        ClientSplit.RequireFinite(pool);
        (_pool, _partition, _testFraction) = (pool, partition, testFraction);
        _testRows = pool.Test is null ? [] : [.. Enumerable.Range(0, pool.Test.Count)];
        keys.Stream("test rows").Shuffle<int>(_testRows);
        for (int client = 0; client < partition.ClientCount; client++) ClientSplit.Shuffle(partition.RowsOf(client).Span, NameOf(client), keys);
        _prepared = pool.Preparation is null ? null : new ConcurrentDictionary<long, ClientData>();
        CheckPreparation();
    }

    /// <inheritdoc/>
    public long ClientCount => _partition.ClientCount;

    /// <summary>How many records do not fit what the run says of its data, and count as none, since it promises privacy.</summary>
    public int UnfitCount => _pool.UnfitCount;

    /// <inheritdoc/>
    public string NameOf(long index) => _partition.Names?[(int)index] ?? ClientNames.Of(index);

    /// <inheritdoc/>
    public int TrainCountOf(long index) => ClientSplit.TrainCount(_partition.RowsOf((int)index).Length, _pool, _testFraction);

    /// <inheritdoc/>
    public ClientData Get(long index) => _prepared?.GetOrAdd(index, Prepare) ?? Raw(index);

    /// <inheritdoc/>
    public void AddTo(IncrementalHash digest)
    {
        ArgumentNullException.ThrowIfNull(digest);
        _pool.Train.AddTo(digest);
        _pool.Test?.AddTo(digest);
        for (int client = 0; client < _partition.ClientCount; client++)
        {
            digest.AppendData(Encoding.UTF8.GetBytes(NameOf(client)));
            digest.AppendData(MemoryMarshal.AsBytes<int>(_partition.RowsOf(client).Span));
        }
    }

    private ClientData Prepare(long index) => ClientSplit.Prepare(_pool, Raw(index), NameOf(index));

    private ClientData Raw(long index)
    {
        int begin = (int)(index * _testRows.Length / ClientCount), end = (int)((index + 1) * _testRows.Length / ClientCount);
        return ClientSplit.Cut(_pool, _partition.RowsOf((int)index), _testRows.AsMemory(begin, end - begin), _testFraction);
    }

    // What a client cannot prepare is found before the first round.
    private void CheckPreparation()
    {
        if (_prepared is null) return;
        for (long client = 0; client < ClientCount; client++) Get(client);
    }
}
