using System.Numerics;
using FedCore.Privacy.Accounting.Events;

namespace FedCore.Privacy.Sampling;

/// <summary>
/// Draws from the discrete Gaussian distribution over the integers, P[X = x] proportional to exp(-x^2/(2 sigma^2)), exactly: whole numbers only, and sigma^2 a fraction (Canonne, Kamath
/// and Steinke 2020, algorithm 3, whose proposal is exchanged for one that is hardly ever rejected; why no floating point: Mironov 2012). For one thread.
/// </summary>
/// <remarks>
/// Magnitudes lie in blocks of a power of two, of which there are 16 to 32 to a sigma. A block is drawn by the weight of its first number, a number of the block evenly, and kept with
/// the ratio of its weight to the first's, 0.97 of the time. A sign of its own makes two numbers of each but 0, which is kept with one of the signs.
/// </remarks>
public sealed class DiscreteGaussianSampler
{
    /// <summary>The largest numerator and, with a denominator of 1, the largest variance.</summary>
    public const long MostNumerator = 1L << 60;

    /// <summary>The largest denominator.</summary>
    public const long MostDenominator = 1L << 31;

    private const double Discreteness = 16;

    // A word is, from above, 24 bits for the block, 16 for whether it is kept, the sign, and the number in the block, of which there may be more bits.
    private const int CoinBits = 16, StepBits = 23;
    private const ulong OtherBits = (1UL << (CoinBits + 1 + StepBits)) - 1;

    // Blocks to a sigma at least, squared.
    private const int LeastBlocksSquared = 16 * 16;

    private readonly RandomBytes _random;
    private readonly HalfGaussianTable _blocks;
    private readonly int _blockBits;
    private readonly ulong _denominator, _twiceNumerator, _stepMask;

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
        (_twiceNumerator, _denominator) = (2 * (ulong)varianceNumerator, (ulong)varianceDenominator);
        BigInteger numerator = varianceNumerator, denominator = varianceDenominator;
        while (numerator >= (LeastBlocksSquared * denominator) << (2 * (_blockBits + 1))) _blockBits++;
        _stepMask = (1UL << Math.Min(_blockBits, StepBits)) - 1;
        _blocks = new HalfGaussianTable(numerator, denominator << (2 * _blockBits));
    }

    /// <summary>The variance of discrete noise that hides no less than continuous noise (<see cref="DiscreteGaussianEvent.ContinuousNoiseMultiplier"/>), if it is 64 or more.</summary>
    /// <param name="continuous">The variance of the continuous noise, above 0.</param>
    /// <returns>A whole number.</returns>
    public static double VarianceFor(double continuous) => Math.Ceiling(continuous + Discreteness);

    /// <summary>Draws a number.</summary>
    /// <returns>The number.</returns>
    public long Next()
    {
        while (true)
        {
            ulong word = _random.NextUInt64(), start = (ulong)_blocks.Next(word & ~OtherBits, OtherBits, _random) << _blockBits, step = word & _stepMask;
            if (_blockBits > StepBits) step |= (ulong)_random.NextBits(_blockBits - StepBits) << StepBits;

            // ((start + step)^2 - start^2)/(2 sigma^2). 16 blocks to a sigma make it hardly ever more than 1, and the numerator has room for 8.
            ulong x = start + step;
            if (step != 0 && !Bernoulli.ExpMinus(_random, (start + x) * step * _denominator, _twiceNumerator, (word & OtherBits) >> (StepBits + 1), CoinBits)) continue;
            bool isNegative = (word & (1UL << StepBits)) != 0;
            if (x == 0 && isNegative) continue;
            return isNegative ? -(long)x : (long)x;
        }
    }

    /// <summary>Adds a number of its own to each word of a ring of integers modulo 2^32.</summary>
    /// <param name="words">The words.</param>
    public void AddTo(Span<uint> words)
    {
        foreach (ref uint word in words) word += (uint)Next();
    }

    /// <summary>Subtracts a number of its own from each word of a ring of integers modulo 2^32: what was added with the same random bytes is gone then.</summary>
    /// <param name="words">The words.</param>
    public void SubtractFrom(Span<uint> words)
    {
        foreach (ref uint word in words) word -= (uint)Next();
    }
}
