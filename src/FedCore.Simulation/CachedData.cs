using FedCore.Training.Data;

namespace FedCore.Simulation;

/// <summary>Keeps the examples of generated clients up to an amount of memory; those that were used longest ago are forgotten first.</summary>
internal sealed class CachedData(IFederatedData inner, long budgetBytes) : IFederatedData
{
    private readonly Lock _lock = new();
    private readonly Dictionary<long, LinkedListNode<(long Index, ClientData Data, long Bytes)>> _byIndex = [];
    private readonly LinkedList<(long Index, ClientData Data, long Bytes)> _recent = new();
    private long _bytes;

    public long ClientCount => inner.ClientCount;

    public string NameOf(long index) => inner.NameOf(index);

    public int TrainCountOf(long index) => inner.TrainCountOf(index);

    public ClientData Get(long index)
    {
        lock (_lock)
        {
            if (_byIndex.TryGetValue(index, out LinkedListNode<(long Index, ClientData Data, long Bytes)>? node))
            {
                _recent.Remove(node);
                _recent.AddFirst(node);
                return node.Value.Data;
            }
        }

        // Made outside the lock: two threads may make the same client, with the same result.
        ClientData data = inner.Get(index);
        long bytes = (long)data.Train.Set.Count * (data.Train.Set.FeatureLength + data.Train.Set.LabelWidth) * sizeof(float);
        if (bytes > budgetBytes) return data;
        lock (_lock)
        {
            if (_byIndex.ContainsKey(index)) return data;
            _byIndex[index] = _recent.AddFirst((index, data, bytes));
            _bytes += bytes;
            while (_bytes > budgetBytes)
            {
                (long oldest, _, long freed) = _recent.Last!.Value;
                _recent.RemoveLast();
                _byIndex.Remove(oldest);
                _bytes -= freed;
            }
        }

        return data;
    }
}
