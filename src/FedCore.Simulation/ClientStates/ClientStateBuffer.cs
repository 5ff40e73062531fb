using FedCore.Numerics;
using FedCore.Rounds;
using FedCore.Strategies;

namespace FedCore.Simulation.ClientStates;

/// <summary>The vectors of the client whose turn it is on a thread, read from the store when they are asked for.</summary>
internal sealed class ClientStateBuffer(ClientStateStore store) : IClientState, IDisposable
{
    private readonly Dictionary<string, FlatVector> _vectors = new(StringComparer.Ordinal);
    private readonly HashSet<string> _used = new(StringComparer.Ordinal);
    private long _client;

    /// <summary>Begins with another client.</summary>
    public void Begin(long client)
    {
        _client = client;
        _used.Clear();
    }

    public FlatVector Vector(string name, long length, FlatVector? initial = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        if (!_vectors.TryGetValue(name, out FlatVector? vector)) _vectors[name] = vector = new FlatVector(length);
        ArgumentOutOfRangeException.ThrowIfNotEqual(length, vector.Length);
        if (!_used.Add(name) || store.TryRead(name, _client, vector)) return vector;
        if (initial is null) vector.Clear();
        else vector.CopyFrom(initial);
        return vector;
    }

    /// <summary>Whether all that the client would keep is finite: what is not would spoil every round that it is asked in.</summary>
    public bool IsFinite => _used.All(name => VectorBlocks.IsFinite(_vectors[name], _vectors[name].Length));

    /// <summary>Keeps what the client has written until its update is settled.</summary>
    public void Keep(TrainTask task)
    {
        foreach (string name in _used) store.Write(name, _client, _vectors[name], task);
    }

    public void Dispose()
    {
        foreach (FlatVector vector in _vectors.Values) vector.Dispose();
    }
}
