using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace FedCore.SecureAggregation.Ring;

/// <summary>Words of a ring as they are sent: so many bits each, the lowest first, without gaps.</summary>
internal static class BitPacking
{
    /// <summary>Bytes that words take.</summary>
    public static long ByteLength(long words, int bits) => (words * bits + 7) / 8;

    /// <summary>Packs the lowest bits of words.</summary>
    /// <param name="words">The words; in all calls but the last a multiple of 8.</param>
    /// <param name="bits">Bits of each that count, 1 to 32.</param>
    /// <param name="target">Receives <see cref="ByteLength"/> bytes.</param>
    public static void Pack(ReadOnlySpan<uint> words, int bits, Span<byte> target)
    {
        if (bits == 32 && BitConverter.IsLittleEndian)
        {
            MemoryMarshal.AsBytes(words).CopyTo(target);
            return;
        }

        ulong mask = ulong.MaxValue >> (64 - bits), waiting = 0;
        int count = 0, written = 0;
        foreach (uint word in words)
        {
            waiting |= (word & mask) << count;
            count += bits;
            if (count < 32) continue;
            BinaryPrimitives.WriteUInt32LittleEndian(target[written..], (uint)waiting);
            written += 4;
            waiting >>= 32;
            count -= 32;
        }

        for (; count > 0; count -= 8, waiting >>= 8) target[written++] = (byte)waiting;
    }

    /// <summary>Adds packed words to a sum, whose words are modulo 2^32.</summary>
    /// <param name="source">The packed words.</param>
    /// <param name="bits">Bits of each, 1 to 32.</param>
    /// <param name="sum">As many words as are packed.</param>
    public static void AddTo(ReadOnlySpan<byte> source, int bits, Span<uint> sum)
    {
        ulong mask = ulong.MaxValue >> (64 - bits);
        int i = 0;
        long bit = 0;

        // Eight bytes hold any word, wherever in the first of them it begins.
        for (; i < sum.Length && (bit >> 3) + sizeof(ulong) <= source.Length; i++, bit += bits)
            sum[i] += (uint)((BinaryPrimitives.ReadUInt64LittleEndian(source[(int)(bit >> 3)..]) >> (int)(bit & 7)) & mask);
        Span<byte> padded = stackalloc byte[2 * sizeof(ulong)];
        for (; i < sum.Length; i++, bit += bits)
        {
            padded.Clear();
            source[(int)(bit >> 3)..].CopyTo(padded);
            sum[i] += (uint)((BinaryPrimitives.ReadUInt64LittleEndian(padded) >> (int)(bit & 7)) & mask);
        }
    }
}
