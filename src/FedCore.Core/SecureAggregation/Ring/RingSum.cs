using System.Buffers.Binary;
using System.Runtime.InteropServices;
using FedCore.Numerics;
using FedCore.Privacy.Sampling;

namespace FedCore.SecureAggregation.Ring;

/// <summary>A sum of updates in the ring, masked or not. Additions may come in any order: the result is the same.</summary>
public sealed class RingSum
{
    private readonly FlatVector _words;
    private readonly ulong[] _scalars;

    /// <summary>An empty sum.</summary>
    /// <param name="encoding">How its updates are written.</param>
    /// <param name="words">Memory for the vector, at least as long; whatever is in it is overwritten.</param>
    public RingSum(RingEncoding encoding, FlatVector words)
    {
        ArgumentNullException.ThrowIfNull(encoding);
        ArgumentNullException.ThrowIfNull(words);
        ArgumentOutOfRangeException.ThrowIfLessThan(words.Length, encoding.VectorLength, nameof(words));
        (Encoding, _words, _scalars) = (encoding, words, new ulong[encoding.ScalarCount]);
        words.Clear();
    }

    /// <summary>How the updates are written.</summary>
    public RingEncoding Encoding { get; }

    /// <summary>The numbers beside the vector, modulo 2^64.</summary>
    public Span<ulong> Scalars => _scalars;

    /// <summary>Words of the vector, modulo 2^32.</summary>
    /// <param name="first">The first of them.</param>
    /// <param name="count">How many.</param>
    /// <returns>A view.</returns>
    public Span<uint> Words(long first, int count) => MemoryMarshal.Cast<float, uint>(_words.Slice(first, count));

    /// <summary>Adds the numbers beside an update's vector.</summary>
    /// <param name="bytes">The first bytes of the update on the wire, 8 for each.</param>
    public void AddScalars(ReadOnlySpan<byte> bytes)
    {
        for (int i = 0; i < _scalars.Length; i++) _scalars[i] += BinaryPrimitives.ReadUInt64LittleEndian(bytes[(i * sizeof(ulong))..]);
    }

    /// <summary>Adds packed words of an update's vector.</summary>
    /// <param name="first">Which word is the first, a multiple of 8.</param>
    /// <param name="packed">The bytes.</param>
    /// <param name="count">How many words they hold.</param>
    public void AddWords(long first, ReadOnlySpan<byte> packed, int count) => BitPacking.AddTo(packed, Encoding.Bits, Words(first, count));

    /// <summary>Adds the noise that is not shared among the clients.</summary>
    /// <param name="random">Random bytes.</param>
    /// <param name="isTakenBack">Whether noise that was added with the same bytes is subtracted.</param>
    public void AddNoise(RandomBytes random, bool isTakenBack = false)
    {
        if (Encoding.Noise is not { IsShared: false } noise) return;
        if (!isTakenBack) Encoding.AddCountNoise(_scalars, random);
        var sampler = new DiscreteGaussianSampler(noise.Variance, 1, random);
        foreach ((long offset, int count) in VectorBlocks.Of(Encoding.VectorLength))
        {
            if (isTakenBack) sampler.SubtractFrom(Words(offset, count));
            else sampler.AddTo(Words(offset, count));
        }
    }

    /// <summary>The sum of the numbers beside the vector.</summary>
    /// <returns>All of them.</returns>
    public double[] DecodeScalars()
    {
        double[] values = new double[_scalars.Length];
        int next = 0;
        foreach (RingSection section in Encoding.Sections.Where(section => !section.IsVector))
            for (int i = 0; i < section.Length; i++, next++) values[next] = (long)_scalars[next] / section.Scale;
        return values;
    }

    /// <summary>The sum of the vectors, in place of the words: the memory that they lie in holds it from now on.</summary>
    public void DecodeWords()
    {
        long start = 0;
        int shift = RingEncoding.MostBits - Encoding.Bits;
        foreach (RingSection section in Encoding.Sections.Where(section => section.IsVector))
        {
            foreach ((long offset, int count) in VectorBlocks.Of(section.Length))
            {
                Span<float> values = _words.Slice(start + offset, count);
                Span<int> words = MemoryMarshal.Cast<float, int>(values);
                for (int i = 0; i < count; i++) values[i] = (float)((words[i] << shift >> shift) / section.Scale);
            }

            start += section.Length;
        }
    }
}
