using FedCore.Numerics;

namespace FedCore.Strategies;

/// <summary>A client's state that lasts as long as the object.</summary>
public sealed class InMemoryClientState : IClientState, IDisposable
{
    private readonly SortedDictionary<string, FlatVector> _vectors = new(StringComparer.Ordinal);

    /// <inheritdoc/>
    public FlatVector Vector(string name, long length, FlatVector? initial = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        if (!_vectors.TryGetValue(name, out FlatVector? vector)) _vectors[name] = vector = initial?.Clone() ?? new FlatVector(length);
        ArgumentOutOfRangeException.ThrowIfNotEqual(length, vector.Length);
        return vector;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (FlatVector vector in _vectors.Values) vector.Dispose();
    }
}
