using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace FedCore.SecureAggregation.Masks;

/// <summary>
/// Masks that are added to, and subtracted from, one vector of the ring. All have the same counters, so these are written once for a chunk of the vector that stays in the
/// cache, and each mask is encrypted and added there. The numbers of 64 bits come first in the stream, from a whole block on the words of 32 bits. For one thread.
/// </summary>
internal sealed class MaskSet : IDisposable
{
    /// <summary>Words of 32 bits that are worked on at once: 32 KiB of counters, of stream and of words.</summary>
    public const int ChunkLength = 8192;

    private readonly List<(MaskStream Stream, bool IsAdded)> _masks = [];
    private readonly byte[] _counters = new byte[ChunkLength * sizeof(uint)], _stream = new byte[ChunkLength * sizeof(uint)];
    private readonly int _scalars;

    /// <param name="scalars">How many numbers of 64 bits come first.</param>
    public MaskSet(int scalars) => _scalars = scalars;

    /// <summary>How many masks there are.</summary>
    public int Count => _masks.Count;

    /// <summary>Adds a mask to the set.</summary>
    /// <param name="key">Its key, of which the set keeps no copy.</param>
    /// <param name="isAdded">Whether it is added to the vector; otherwise it is subtracted.</param>
    public void Include(ReadOnlySpan<byte> key, bool isAdded) => _masks.Add((new MaskStream(key), isAdded));

    /// <summary>Applies all masks to the numbers of 64 bits.</summary>
    /// <param name="scalars">All of them.</param>
    public void ApplyToScalars(Span<ulong> scalars)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(scalars.Length, _scalars, nameof(scalars));
        ulong[] piece = new ulong[scalars.Length];
        Span<byte> bytes = MemoryMarshal.AsBytes(piece.AsSpan());
        foreach ((MaskStream stream, bool isAdded) in _masks)
        {
            stream.Read(0, bytes);
            for (int i = 0; i < piece.Length; i++)
            {
                ulong word = BitConverter.IsLittleEndian ? piece[i] : BinaryPrimitives.ReverseEndianness(piece[i]);
                scalars[i] += isAdded ? word : 0 - word;
            }
        }

        CryptographicOperations.ZeroMemory(bytes);
    }

    /// <summary>Applies all masks to words of 32 bits.</summary>
    /// <param name="first">Which word of the vector is the first, a multiple of 4.</param>
    /// <param name="words">The words.</param>
    public void Apply(long first, Span<uint> words)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(first % 4, 0, nameof(first));
        long block = (_scalars * sizeof(ulong) + MaskStream.BlockLength - 1) / MaskStream.BlockLength + first / 4;
        for (; !words.IsEmpty; words = words[Math.Min(ChunkLength, words.Length)..], block += ChunkLength / 4)
        {
            Span<uint> chunk = words[..Math.Min(ChunkLength, words.Length)];
            int bytes = (chunk.Length * sizeof(uint) + MaskStream.BlockLength - 1) / MaskStream.BlockLength * MaskStream.BlockLength;
            MaskStream.WriteCounters(block, _counters.AsSpan(0, bytes));
            foreach ((MaskStream stream, bool isAdded) in _masks)
            {
                stream.Encrypt(_counters, bytes, _stream);
                Fold(MemoryMarshal.Cast<byte, uint>(_stream.AsSpan())[..chunk.Length], chunk, isAdded);
            }
        }
    }

    public void Dispose()
    {
        foreach ((MaskStream stream, _) in _masks) stream.Dispose();
        CryptographicOperations.ZeroMemory(_stream);
    }

    private static void Fold(Span<uint> mask, Span<uint> words, bool isAdded)
    {
        if (!BitConverter.IsLittleEndian) BinaryPrimitives.ReverseEndianness(mask, mask);
        int i = 0;
        if (isAdded)
        {
            for (; i <= words.Length - Vector<uint>.Count; i += Vector<uint>.Count) (new Vector<uint>(words[i..]) + new Vector<uint>(mask[i..])).CopyTo(words[i..]);
            for (; i < words.Length; i++) words[i] += mask[i];
        }
        else
        {
            for (; i <= words.Length - Vector<uint>.Count; i += Vector<uint>.Count) (new Vector<uint>(words[i..]) - new Vector<uint>(mask[i..])).CopyTo(words[i..]);
            for (; i < words.Length; i++) words[i] -= mask[i];
        }
    }
}
