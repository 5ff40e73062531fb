namespace FedCore.Privacy.Sampling;

/// <summary>Coins of exactly known bias, tossed with whole numbers only.</summary>
internal static class Bernoulli
{
    /// <summary>True with probability exp(-a/b) exactly (Canonne, Kamath and Steinke 2020, algorithm 1).</summary>
    /// <param name="random">Random bytes.</param>
    /// <param name="a">The numerator.</param>
    /// <param name="b">The denominator, from 1 to 2^62.</param>
    public static bool ExpMinus(RandomBytes random, ulong a, ulong b)
    {
        for (; a > b; a -= b)
            if (!Goes(random, b, b)) return false;
        return Goes(random, a, b);
    }

    /// <summary>True with probability a/b exactly: whether a number between 0 and 1, of which 32 bits are drawn at a time until they decide, is below it.</summary>
    /// <param name="random">Random bytes.</param>
    /// <param name="a">The numerator, at most <paramref name="b"/>.</param>
    /// <param name="b">The denominator, from 1 to 2^62.</param>
    public static bool Fraction(RandomBytes random, ulong a, ulong b)
    {
        while (true)
        {
            // With u = (bits + v)/2^32, and v between 0 and 1 again: u < a/b if v < (2^32 a - bits b)/b.
            uint bits = random.NextUInt32();
            UInt128 more = (UInt128)a << 32, less = (UInt128)bits * b;
            if (less >= more) return false;
            if (more - less >= b) return true;
            a = (ulong)(more - less);
        }
    }

    // exp(-a/b) for a <= b: the sum of the alternating series, by how many coins of bias a/b, a/(2b), a/(3b), ... fall well in a row.
    private static bool Goes(RandomBytes random, ulong a, ulong b)
    {
        for (ulong k = 1; ; k++)
            if ((k > 1 && random.NextBelow(k) != 0) || !Fraction(random, a, b)) return (k & 1) == 1;
    }
}
