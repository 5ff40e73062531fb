namespace FedCore.Privacy.Sampling;

/// <summary>
/// Draws from the discrete Laplace distribution over the integers, P[X = x] proportional to exp(-|x| s/t), exactly: whole numbers only (Canonne, Kamath and Steinke 2020, algorithm 2;
/// why no floating point: Mironov 2012). For one thread.
/// </summary>
public sealed class DiscreteLaplaceSampler
{
    private const ulong MostScale = 1UL << 31;

    private readonly ulong _t, _s;
    private readonly RandomBytes _random;

    /// <summary>Prepares to draw with the scale t/s.</summary>
    /// <param name="scaleNumerator">t, from 1 to 2^31.</param>
    /// <param name="scaleDenominator">s, from 1 to 2^31.</param>
    /// <param name="random">Random bytes.</param>
    public DiscreteLaplaceSampler(long scaleNumerator, long scaleDenominator, RandomBytes random)
    {
        ArgumentNullException.ThrowIfNull(random);
        ArgumentOutOfRangeException.ThrowIfLessThan(scaleNumerator, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan((ulong)scaleNumerator, MostScale);
        ArgumentOutOfRangeException.ThrowIfLessThan(scaleDenominator, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan((ulong)scaleDenominator, MostScale);
        (_t, _s, _random) = ((ulong)scaleNumerator, (ulong)scaleDenominator, random);
    }

    /// <summary>Draws a number.</summary>
    /// <returns>The number.</returns>
    public long Next()
    {
        while (true)
        {
            ulong u = _random.NextBelow(_t);
            if (!Bernoulli.ExpMinus(_random, u, _t)) continue;
            ulong v = 0;
            while (Bernoulli.ExpMinus(_random, 1, 1)) v++;
            ulong magnitude = (u + _t * v) / _s;
            bool isNegative = _random.NextBits(1) == 1;
            if (magnitude == 0 && isNegative) continue;
            return isNegative ? -(long)magnitude : (long)magnitude;
        }
    }
}
