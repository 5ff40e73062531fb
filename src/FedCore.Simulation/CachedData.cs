using System.Security.Cryptography;
using FedCore.Training.Data;

namespace FedCore.Simulation;

/// <summary>
/// Keeps the examples of generated clients until an amount of memory is full. A client is kept from its second use on: of a large population most are
/// chosen once. Nobody is displaced: where all clients take their turn, the one displaced is the next that is needed.
/// </summary>
internal sealed class CachedData(IFederatedData inner, long budgetBytes) : IFederatedData
{
    private const int MaxSeen = 100_000;

    private readonly Lock _lock = new();
    private readonly Dictionary<long, ClientData> _kept = [];
    private readonly HashSet<long> _seen = [];
    private long _bytes;

    public long ClientCount => inner.ClientCount;

    public string NameOf(long index) => inner.NameOf(index);

    public int TrainCountOf(long index) => inner.TrainCountOf(index);

    public void AddTo(IncrementalHash digest) => inner.AddTo(digest);

    public ClientData Get(long index)
    {
        lock (_lock)
            if (_kept.TryGetValue(index, out ClientData? kept)) return kept;

        // Made outside the lock: two threads may make the same client, with the same result.
        ClientData data = inner.Get(index);
        long bytes = (long)data.Train.Set.Count * (data.Train.Set.FeatureLength + data.Train.Set.LabelWidth) * sizeof(float);
        lock (_lock)
        {
            if (_seen.Count == MaxSeen) _seen.Clear();
            if (!_seen.Add(index) && _bytes + bytes <= budgetBytes && _kept.TryAdd(index, data)) _bytes += bytes;
        }

        return data;
    }
}
