using System.Buffers.Binary;
using System.Security.Cryptography;

namespace FedCore.Privacy.Sampling;

/// <summary>
/// Random bytes for what a privacy proof rests on, drawn in bulk and handed out word by word; each is used once, and wiped. For one thread.
/// </summary>
public abstract class RandomBytes : IDisposable
{
    private const int BulkLength = 32 * 1024;

    private readonly byte[] _bulk = GC.AllocateUninitializedArray<byte>(BulkLength, pinned: true);
    private int _next = BulkLength, _bitsLeft;
    private ulong _bits;

    /// <summary>Whether whoever knows a seed can draw the same again, so that they protect nobody.</summary>
    public virtual bool IsSimulated => false;

    /// <summary>64 random bits.</summary>
    /// <returns>A number uniform over all 64-bit values.</returns>
    public ulong NextUInt64() => BinaryPrimitives.ReadUInt64LittleEndian(_bulk.AsSpan(Take(sizeof(ulong))));

    /// <summary>32 random bits.</summary>
    /// <returns>A number uniform over all 32-bit values.</returns>
    public uint NextUInt32() => BinaryPrimitives.ReadUInt32LittleEndian(_bulk.AsSpan(Take(sizeof(uint))));

    /// <summary>Random bytes.</summary>
    /// <param name="bytes">Receives them.</param>
    public void NextBytes(Span<byte> bytes)
    {
        for (int count; !bytes.IsEmpty; bytes = bytes[count..])
        {
            count = Math.Min(bytes.Length, BulkLength);
            Next(count).CopyTo(bytes);
        }
    }

    /// <summary>Random bytes where they were drawn.</summary>
    /// <param name="count">How many, at most <see cref="BulkLength"/>.</param>
    /// <returns>The bytes, which are there until more are drawn.</returns>
    internal ReadOnlySpan<byte> Next(int count) => _bulk.AsSpan(Take(count), count);

    /// <summary>A few random bits.</summary>
    /// <param name="count">How many, from 0 to 32.</param>
    /// <returns>A number uniform over those with so many bits.</returns>
    public uint NextBits(int count)
    {
        if (count > _bitsLeft)
        {
            _bits = NextUInt64();
            _bitsLeft = 64;
        }

        uint bits = (uint)(_bits & ((1UL << count) - 1));
        _bits >>= count;
        _bitsLeft -= count;
        return bits;
    }

    /// <summary>A whole number below a bound, without bias (Lemire 2019, algorithm 5).</summary>
    /// <param name="bound">The exclusive upper bound, at least 1.</param>
    /// <returns>A number uniform from 0 to <paramref name="bound"/> - 1.</returns>
    public ulong NextBelow(ulong bound)
    {
        ArgumentOutOfRangeException.ThrowIfZero(bound);
        ulong high = Math.BigMul(NextUInt64(), bound, out ulong low);
        if (low >= bound) return high;
        ulong least = (0 - bound) % bound;
        while (low < least) high = Math.BigMul(NextUInt64(), bound, out low);
        return high;
    }

    /// <summary>Wipes what was drawn and not used.</summary>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Wipes what was drawn and not used.</summary>
    /// <param name="disposing">True when called from <see cref="Dispose()"/>.</param>
    protected virtual void Dispose(bool disposing)
    {
        CryptographicOperations.ZeroMemory(_bulk);
        (_bits, _bitsLeft, _next) = (0, 0, BulkLength);
    }

    // Where the next bytes are.
    private int Take(int count)
    {
        if (_next > BulkLength - count)
        {
            Fill(_bulk);
            _next = 0;
        }

        int place = _next;
        _next += count;
        return place;
    }

    /// <summary>Draws bytes.</summary>
    /// <param name="bytes">Receives them.</param>
    protected abstract void Fill(Span<byte> bytes);
}
