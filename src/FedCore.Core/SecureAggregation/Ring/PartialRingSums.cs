using System.Collections.Concurrent;
using FedCore.Compression;
using FedCore.Numerics;

namespace FedCore.SecureAggregation.Ring;

/// <summary>A sum in the ring that several threads add to, each to a part of its own. The order does not matter: the bits are the same.</summary>
/// <param name="encoding">How the updates are written.</param>
/// <param name="pool">Where vectors are rented.</param>
internal sealed class PartialRingSums(RingEncoding encoding, FlatVectorPool pool) : IDisposable
{
    private readonly ConcurrentBag<(RingSum Sum, FlatVector Memory)> _parts = [];

    /// <summary>Adds an update, masked or not.</summary>
    /// <returns>Nothing: what was read is in the sum.</returns>
    public byte[] Add(IEncodedUpdate update)
    {
        Use(sum => UpdateRing.Add(update, sum));
        return [];
    }

    /// <summary>Adds to a part of the sum that nobody else adds to meanwhile.</summary>
    public void Use(Action<RingSum> add)
    {
        if (!_parts.TryTake(out (RingSum Sum, FlatVector Memory) part)) part = Rent();
        try
        {
            add(part.Sum);
        }
        finally
        {
            _parts.Add(part);
        }
    }

    /// <summary>The sum of all parts, and its memory, which is the caller's from now on.</summary>
    public (RingSum Sum, FlatVector Memory) Total()
    {
        if (!_parts.TryTake(out (RingSum Sum, FlatVector Memory) first)) first = Rent();
        RingSum total = first.Sum;
        foreach ((RingSum other, _) in _parts)
        {
            for (int i = 0; i < total.Scalars.Length; i++) total.Scalars[i] += other.Scalars[i];
            foreach ((long offset, int count) in VectorBlocks.Of(encoding.VectorLength))
            {
                Span<uint> sum = total.Words(offset, count);
                ReadOnlySpan<uint> words = other.Words(offset, count);
                for (int i = 0; i < count; i++) sum[i] += words[i];
            }
        }

        return first;
    }

    public void Dispose()
    {
        while (_parts.TryTake(out (RingSum Sum, FlatVector Memory) part)) pool.Return(part.Memory);
    }

    private (RingSum, FlatVector) Rent()
    {
        FlatVector memory = pool.Rent(encoding.VectorLength);
        return (new RingSum(encoding, memory), memory);
    }
}
