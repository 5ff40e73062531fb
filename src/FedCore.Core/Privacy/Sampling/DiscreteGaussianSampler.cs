using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using FedCore.Privacy.Accounting.Events;

namespace FedCore.Privacy.Sampling;

/// <summary>
/// Draws from the discrete Gaussian distribution over the integers, P[X = x] proportional to exp(-x^2/(2 sigma^2)), exactly: whole numbers only, and sigma^2 a fraction (the distribution of Canonne,
/// Kamath and Steinke 2020, by the method of Marsaglia, MacLaren and Bray 1964 instead of their algorithm 3, since it hardly ever rejects; why no floating point: Mironov 2012). For one thread.
/// </summary>
/// <remarks>
/// A sign and a magnitude, of which the sign is drawn evenly and 0 kept with one of both. 98 of 100 magnitudes are drawn from <see cref="RectangleCells"/> with 15 bits for the block and even bits
/// for the number in it, all in one word of 32 bits; the others from all that is left of <see cref="GaussianParts"/>. Many numbers are drawn in groups of 64, whose words come first in the random bytes,
/// and then what else they take one by one: on every machine the same numbers of the same bytes.
/// </remarks>
public sealed class DiscreteGaussianSampler
{
    /// <summary>The largest numerator and, with a denominator of 1, the largest variance.</summary>
    public const long MostNumerator = 1L << 60;

    /// <summary>The largest denominator.</summary>
    public const long MostDenominator = 1L << 31;

    private const double Discreteness = 16;
    private const int GroupLength = 64, PieceLength = 16 * GroupLength;

    // Of which a vector's lanes hold the magnitudes and their signs.
    private const int WidestStepBits = 23;

    // A word is, from below, the number in the block, the sign, and what draws the block. Of larger blocks' numbers, the upper bits are those of another word.
    private const int WordStepBits = 32 - 1 - RectangleCells.Bits;
    private const uint SignBit = 1u << WordStepBits;

    private readonly RandomBytes _random;
    private readonly RectangleCells _cells;
    private readonly GaussianRemainder _remainder;
    private readonly int _stepBits;
    private readonly ulong _stepMask;

    /// <summary>Prepares to draw.</summary>
    /// <param name="varianceNumerator">The numerator of sigma^2, from 1 to <see cref="MostNumerator"/>.</param>
    /// <param name="varianceDenominator">Its denominator, from 1 to <see cref="MostDenominator"/>.</param>
    /// <param name="random">Random bytes.</param>
    public DiscreteGaussianSampler(long varianceNumerator, long varianceDenominator, RandomBytes random)
    {
        ArgumentNullException.ThrowIfNull(random);
        ArgumentOutOfRangeException.ThrowIfLessThan(varianceNumerator, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(varianceNumerator, MostNumerator);
        ArgumentOutOfRangeException.ThrowIfLessThan(varianceDenominator, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(varianceDenominator, MostDenominator);
        _random = random;
        var parts = new GaussianParts(varianceNumerator, varianceDenominator);
        _cells = new RectangleCells(parts.Rectangles);
        _remainder = new GaussianRemainder(parts, _cells);
        _stepBits = parts.StepBits;
        _stepMask = (1UL << _stepBits) - 1;
    }

    /// <summary>The variance of discrete noise that hides no less than continuous noise (<see cref="DiscreteGaussianEvent.ContinuousNoiseMultiplier"/>), if it is 64 or more.</summary>
    /// <param name="continuous">The variance of the continuous noise, above 0.</param>
    /// <returns>A whole number.</returns>
    public static double VarianceFor(double continuous) => Math.Ceiling(continuous + Discreteness);

    /// <summary>Draws a number.</summary>
    /// <returns>The number.</returns>
    public long Next() => Next(_random.NextUInt32(), HasMoreSteps ? _random.NextUInt32() : 0);

    /// <summary>Draws many numbers.</summary>
    /// <param name="numbers">Receives them, each modulo 2^32.</param>
    public void Fill(Span<int> numbers) => Fill(numbers, RectangleCells.HasLanes && _stepBits <= WidestStepBits);

    /// <summary>As <see cref="Fill(Span{int})"/>, with vectors of the processor or without.</summary>
    internal void Fill(Span<int> numbers, bool isWide)
    {
        Span<uint> random = stackalloc uint[2 * GroupLength];
        for (; !numbers.IsEmpty; numbers = numbers[Math.Min(GroupLength, numbers.Length)..])
        {
            Span<int> group = numbers[..Math.Min(GroupLength, numbers.Length)];
            Span<uint> words = random[..group.Length], more = random.Slice(GroupLength, group.Length);
            if (isWide && group.Length == GroupLength)
            {
                FillGroup(group, words, more);
                continue;
            }

            _random.NextBytes(MemoryMarshal.AsBytes(words));
            if (HasMoreSteps) _random.NextBytes(MemoryMarshal.AsBytes(more));
            for (int i = 0; i < group.Length; i++) group[i] = (int)Next(words[i], more[i]);
        }

        random.Clear();
    }

    /// <summary>Adds a number of its own to each word of a ring of integers modulo 2^32.</summary>
    /// <param name="words">The words.</param>
    public void AddTo(Span<uint> words)
    {
        Span<int> drawn = stackalloc int[PieceLength];
        for (; !words.IsEmpty; words = words[Math.Min(PieceLength, words.Length)..])
        {
            Span<int> piece = drawn[..Math.Min(PieceLength, words.Length)];
            Fill(piece);
            TensorPrimitives.Add(words[..piece.Length], MemoryMarshal.Cast<int, uint>(piece), words);
        }

        drawn.Clear();
    }

    /// <summary>Subtracts a number of its own from each word of a ring of integers modulo 2^32: what was added with the same random bytes is gone then.</summary>
    /// <param name="words">The words.</param>
    public void SubtractFrom(Span<uint> words)
    {
        Negate(words);
        AddTo(words);
        Negate(words);

        static void Negate(Span<uint> words) => TensorPrimitives.Negate(MemoryMarshal.Cast<uint, int>(words), MemoryMarshal.Cast<uint, int>(words));
    }

    private bool HasMoreSteps => _stepBits > WordStepBits;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private long Next(uint word, uint more)
    {
        uint block = _cells.Next(word);
        ulong x = ((ulong)block << _stepBits) | (((word & (SignBit - 1)) | ((ulong)more << WordStepBits)) & _stepMask);
        if (block == RectangleCells.Undecided || x == 0) return NextRarely(word, x);
        long sign = (word >> WordStepBits) & 1;
        return ((long)x ^ -sign) + sign;
    }

    // Of a word that says 0 or nothing.
    private long NextRarely(uint word, ulong x)
    {
        if (x == 0 && (word & SignBit) == 0) return 0;
        return (x == 0 ? null : _remainder.Next(_random)) ?? Next();
    }

    // Reads single words where they were drawn, and keeps them for the numbers that take more: vectors that were written a moment ago may have to reach the memory before they can be read, and so all that
    // was written before them, such as numbers that another processor is to read. More words are all 0 where none are drawn. Optimized at once: without, vectors that the processor lacks are very slow.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void FillGroup(Span<int> group, Span<uint> words, Span<uint> more)
    {
        bool hasMore = HasMoreSteps;
        ReadOnlySpan<uint> drawn = words;
        if (hasMore)
        {
            _random.NextBytes(MemoryMarshal.AsBytes(words));
            _random.NextBytes(MemoryMarshal.AsBytes(more));
        }
        else
        {
            drawn = MemoryMarshal.Cast<byte, uint>(_random.Next(words.Length * sizeof(uint)));
        }

        Vector512<uint> steps = Vector512.Create((uint)_stepMask), wordSteps = Vector512.Create(SignBit - 1), most = Vector512.Create((RectangleCells.Undecided << _stepBits) - 1);
        RectangleCells.Lanes lanes = _cells.Many;
        int stepBits = _stepBits;
        ulong open = 0;
        for (int i = 0; i < GroupLength; i += Vector512<uint>.Count)
        {
            Vector512<uint> word = Vector512.Create(drawn[i..]), step = word & wordSteps;
            if (hasMore) step |= Vector512.Create(more[i..]) << WordStepBits;
            Vector512<uint> x = (lanes.Next(word) << stepBits) | (step & steps), sign = ((word << (31 - WordStepBits)).AsInt32() >> 31).AsUInt32();
            word.CopyTo(words[i..]);

            // Of these, 0 is the largest.
            open |= Vector512.GreaterThanOrEqual(x - Vector512<uint>.One, most).ExtractMostSignificantBits() << i;
            ((x ^ sign) - sign).AsInt32().CopyTo(group[i..]);
        }

        for (; open != 0; open &= open - 1)
        {
            int i = BitOperations.TrailingZeroCount(open);
            group[i] = (int)Next(words[i], more[i]);
        }
    }
}
