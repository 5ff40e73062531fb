namespace FedCore.Privacy.Sampling;

/// <summary>Coins of exactly known bias, tossed with whole numbers only.</summary>
internal static class Bernoulli
{
    /// <summary>True with probability exp(-a/b) exactly (Canonne, Kamath and Steinke 2020, algorithm 1).</summary>
    /// <param name="random">Random bytes.</param>
    /// <param name="a">The numerator.</param>
    /// <param name="b">The denominator, from 1 to 2^62.</param>
    public static bool ExpMinus(RandomBytes random, UInt128 a, ulong b)
    {
        for (; a >= b; a -= b)
            if (!ExpMinusFraction(random, b, b)) return false;
        return ExpMinusFraction(random, (ulong)a, b);
    }

    // For a <= b: the sum of the alternating series, by how many coins of bias a/b, a/(2b), a/(3b), ... fall well in a row.
    private static bool ExpMinusFraction(RandomBytes random, ulong a, ulong b)
    {
        for (ulong k = 1; ; k++)
            if (random.NextBelow(b) >= a || (k > 1 && random.NextBelow(k) != 0)) return (k & 1) == 1;
    }
}
