using System.Collections.Concurrent;

namespace FedCore.Numerics;

/// <summary>Keeps vectors for reuse, by length. Safe for many threads.</summary>
/// <param name="storage">Where the vectors lie; null for memory.</param>
public sealed class FlatVectorPool(VectorStorage? storage = null) : IDisposable
{
    // What lies in files would hold the disk between rounds: so many of a length are kept, as two threads need for a sum.
    private const int MostMapped = 4;

    private readonly ConcurrentDictionary<long, ConcurrentStack<FlatVector>> _free = new();

    /// <summary>Where the vectors lie.</summary>
    public VectorStorage Storage { get; } = storage ?? VectorStorage.Memory;

    /// <summary>A vector of the given length; its values are whatever the last user left.</summary>
    /// <param name="length">Number of elements.</param>
    /// <returns>The vector, to be given back with <see cref="Return"/>.</returns>
    public FlatVector Rent(long length) =>
        _free.TryGetValue(length, out ConcurrentStack<FlatVector>? stack) && stack.TryPop(out FlatVector? vector) ? vector : Storage.Allocate(length);

    /// <summary>Gives a vector back.</summary>
    /// <param name="vector">The vector; the caller uses it no more.</param>
    public void Return(FlatVector vector)
    {
        ArgumentNullException.ThrowIfNull(vector);
        ConcurrentStack<FlatVector> stack = _free.GetOrAdd(vector.Length, static _ => new ConcurrentStack<FlatVector>());
        if (vector.IsMapped && stack.Count >= MostMapped) vector.Dispose();
        else stack.Push(vector);
    }

    /// <summary>Frees the vectors that are not rented.</summary>
    public void Dispose()
    {
        foreach (ConcurrentStack<FlatVector> stack in _free.Values)
            while (stack.TryPop(out FlatVector? vector)) vector.Dispose();
    }
}
