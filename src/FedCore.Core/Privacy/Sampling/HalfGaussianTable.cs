using System.Numerics;
using System.Runtime.CompilerServices;

namespace FedCore.Privacy.Sampling;

/// <summary>
/// Draws b = 0, 1, 2, ... with probabilities proportional to exp(-b^2/(2 v)), exactly, by inversion: a random number, of which some bits are there at first, is compared with bounds of
/// the cumulated probabilities. Where the bits cannot decide, more are drawn; where 64 cannot, which happens in fewer than one of 10^16 draws, the bounds are computed to as many.
/// </summary>
internal sealed class HalfGaussianTable
{
    private const int WordBits = 64, GuardBits = 96, GuideBits = 10;

    private readonly BigInteger _numerator, _denominator;

    // By b: 2^64 times the probability of b or less is at least this, and less than this + 2.
    private readonly ulong[] _bounds;
    private readonly ushort[] _guide = new ushort[1 << GuideBits];

    /// <param name="numerator">The numerator of v, above 0.</param>
    /// <param name="denominator">The denominator of v; v is at most 1024.</param>
    public HalfGaussianTable(BigInteger numerator, BigInteger denominator)
    {
        (_numerator, _denominator) = (numerator, denominator);
        _bounds = [.. Bounds(WordBits).Select(bound => (ulong)bound)];
        for (int i = 0, b = 0; i < _guide.Length; i++)
        {
            ulong least = (ulong)i << (WordBits - GuideBits);
            while (IsAbove(least, b)) b++;
            _guide[i] = (ushort)b;
        }
    }

    /// <summary>Draws b.</summary>
    /// <param name="word">Random bits above zeros.</param>
    /// <param name="below">The largest number in place of the zeros.</param>
    /// <param name="random">More random bytes.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int Next(ulong word, ulong below, RandomBytes random)
    {
        int b = _guide[word >> (WordBits - GuideBits)];
        while (IsAbove(word, b)) b++;
        return (word | below) < _bounds[b] ? b : NextOfWord(word | (random.NextUInt64() & below), b, random);
    }

    private int NextOfWord(ulong word, int b, RandomBytes random)
    {
        while (IsAbove(word, b)) b++;
        return word < _bounds[b] ? b : NextInDoubt(word, random);
    }

    private bool IsAbove(ulong u, int b) => u >= _bounds[b] && u - _bounds[b] >= 2;

    // Rarely: with more bits of the same number.
    private int NextInDoubt(BigInteger u, RandomBytes random)
    {
        for (int bits = 2 * WordBits; ; bits += WordBits)
        {
            u = (u << WordBits) | random.NextUInt64();
            BigInteger[] bounds = Bounds(bits);
            int b = 0;
            while (b < bounds.Length && u >= bounds[b] + 2) b++;
            if (b < bounds.Length && u < bounds[b]) return b;
        }
    }

    // Cumulated probabilities, each rounded down by less than two units of 2^-bits. A weight is the one before times r^(2b+1), r = exp(-1/(2v)); with at most 2^10 weights their sums are off by
    // less than 2^66 units of the last guard bit, and what lies beyond the last weight is less than 2^-30 units of 2^-bits.
    private BigInteger[] Bounds(int bits)
    {
        int precision = bits + GuardBits;
        BigInteger ratio = FixedPoint.ExpMinus(_denominator, 2 * _numerator, precision), square = (ratio * ratio) >> precision;
        BigInteger weight = BigInteger.One << precision, sum = 0, negligible = BigInteger.One << (GuardBits - 32);
        List<BigInteger> sums = [];
        while (weight > negligible)
        {
            sums.Add(sum += weight);
            weight = (weight * ratio) >> precision;
            ratio = (ratio * square) >> precision;
        }

        BigInteger error = BigInteger.One << 66, most = sum + error + 4 * negligible;
        return [.. sums.Select(partial => ((partial - error) << bits) / most)];
    }
}
