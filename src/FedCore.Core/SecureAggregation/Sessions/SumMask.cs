using System.Security.Cryptography;
using FedCore.Aggregation;
using FedCore.SecureAggregation.Masks;
using FedCore.SecureAggregation.Ring;

namespace FedCore.SecureAggregation.Sessions;

/// <summary>The masks that are left in the sum of the survivors' masked inputs: their self masks, and those against clients that vanished.</summary>
public sealed class SumMask : IDisposable
{
    private readonly List<(byte[] Key, bool IsAdded)> _masks = [];

    /// <summary>How many masks there are.</summary>
    public int Count => _masks.Count;

    internal void Include(byte[] key, bool isAdded)
    {
        lock (_masks) _masks.Add((key, isAdded));
    }

    /// <summary>Takes the masks off a sum.</summary>
    /// <param name="sum">The sum of the survivors' masked inputs.</param>
    /// <param name="resources">Threads; each takes pieces of the vector.</param>
    /// <returns>A task that ends when the sum is the inputs'.</returns>
    public async Task RemoveFromAsync(RingSum sum, AggregationResources resources)
    {
        ArgumentNullException.ThrowIfNull(sum);
        ArgumentNullException.ThrowIfNull(resources);
        int scalars = sum.Encoding.ScalarCount;
        long next = -MaskSet.ChunkLength, length = sum.Encoding.VectorLength;
        using (MaskSet masks = Create(scalars)) masks.ApplyToScalars(sum.Scalars);

        Task WorkAsync()
        {
            using MaskSet masks = Create(scalars);
            while (Interlocked.Add(ref next, MaskSet.ChunkLength) is var first && first < length)
                masks.Apply(first, sum.Words(first, (int)Math.Min(MaskSet.ChunkLength, length - first)));
            return Task.CompletedTask;
        }

        int chunks = (int)Math.Min(int.MaxValue, (length + MaskSet.ChunkLength - 1) / MaskSet.ChunkLength);
        if (chunks > 0) await resources.RunAsync(Math.Clamp(resources.Threads, 1, chunks), WorkAsync).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach ((byte[] key, _) in _masks) CryptographicOperations.ZeroMemory(key);
    }

    private MaskSet Create(int scalars)
    {
        var masks = new MaskSet(scalars);
        foreach ((byte[] key, bool isAdded) in _masks) masks.Include(key, isAdded);
        return masks;
    }
}
