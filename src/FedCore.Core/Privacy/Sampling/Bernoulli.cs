using System.Runtime.CompilerServices;

namespace FedCore.Privacy.Sampling;

/// <summary>Coins of exactly known bias, tossed with whole numbers only.</summary>
internal static class Bernoulli
{
    /// <summary>True with probability exp(-a/b) exactly (Canonne, Kamath and Steinke 2020, algorithm 1).</summary>
    /// <param name="random">Random bytes.</param>
    /// <param name="a">The numerator.</param>
    /// <param name="b">The denominator, from 1 to 2^62.</param>
    public static bool ExpMinus(RandomBytes random, ulong a, ulong b) => ExpMinus(random, a, b, random.NextUInt32(), 32);

    /// <summary>The same with random bits to begin with, which decide for themselves where the probability is near 1.</summary>
    /// <param name="random">More random bytes.</param>
    /// <param name="a">The numerator.</param>
    /// <param name="b">The denominator, from 1 to 2^62.</param>
    /// <param name="bits">Random bits.</param>
    /// <param name="count">How many they are, from 1 to 32.</param>
    public static bool ExpMinus(RandomBytes random, ulong a, ulong b, ulong bits, int count)
    {
        for (; a > b; a -= b)
            if (!Goes(random, b, b, random.NextUInt32(), 32)) return false;
        return Goes(random, a, b, bits, count);
    }

    /// <summary>True with probability a/b exactly: whether a number between 0 and 1, of which 32 bits are drawn at a time until they decide, is below it.</summary>
    /// <param name="random">Random bytes.</param>
    /// <param name="a">The numerator, at most <paramref name="b"/>.</param>
    /// <param name="b">The denominator, from 1 to 2^62.</param>
    public static bool Fraction(RandomBytes random, ulong a, ulong b) => Fraction(random, a, b, random.NextUInt32(), 32);

    // exp(-a/b) for a <= b: the sum of the alternating series, by how many coins of bias a/b, a/(2b), a/(3b), ... fall well in a row.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool Goes(RandomBytes random, ulong a, ulong b, ulong bits, int count) => !Fraction(random, a, b, bits, count) || GoesOn(random, a, b);

    private static bool GoesOn(RandomBytes random, ulong a, ulong b)
    {
        for (ulong k = 2; ; k++)
            if (random.NextBelow(k) != 0 || !Fraction(random, a, b)) return (k & 1) == 1;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool Fraction(RandomBytes random, ulong a, ulong b, ulong bits, int count) => Math.BigMul(bits << (64 - count), b, out _) < a && IsBelow(random, a, b, bits, count);

    // With u = (bits + v)/2^count, and v between 0 and 1 again: u < a/b if v < (2^count a - bits b)/b.
    private static bool IsBelow(RandomBytes random, ulong a, ulong b, ulong bits, int count)
    {
        UInt128 rest = ((UInt128)a << count) - (UInt128)bits * b;
        return rest >= b || Fraction(random, (ulong)rest, b);
    }
}
