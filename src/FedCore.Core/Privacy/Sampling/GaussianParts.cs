using System.Numerics;

namespace FedCore.Privacy.Sampling;

/// <summary>
/// The curve h(x) = c exp(-x^2/(2 sigma^2)) over x = 0, 1, 2, ..., as a sum of parts that are easy to draw from (after the rectangle-wedge-tail method of Marsaglia, MacLaren and Bray 1964), in whole
/// numbers. The magnitudes lie in blocks of n = 2^<see cref="StepBits"/>, of which there are 32 to 64 to a sigma, or of one number for a smaller sigma. To x, j behind the start of block b, belong
/// <list type="bullet">
/// <item>of the rectangle R[b]/n;</item>
/// <item>of the wedge W[b] (2(n - j) - 1)/n^2, which is how the smaller of two numbers below n is distributed;</item>
/// <item>of the rest what is missing up to h(x), at most G[b]/n, which is drawn evenly and kept with the ratio: less than one draw in 5,000;</item>
/// <item>and beyond the last block of a tail with the weight 1, in the same way.</item>
/// </list>
/// c is such that all weights together are at most 2^<see cref="WeightBits"/>; what is missing to that stands for drawing anew.
/// </summary>
internal sealed class GaussianParts
{
    /// <summary>The weights add up to 2 to this.</summary>
    public const int WeightBits = 62;

    /// <summary>A piece of the tail has 2 to this blocks, which is a sigma at least.</summary>
    public const int TailBits = 6;

    private const int LeastBlocksSquared = 32 * 32;

    // Bits behind the point of a weight, and those that are right: a weight is a power of the ratio up to the 630th squared, which is off by at most 2^36 units.
    private const int Precision = 160, RightBits = 96;

    // By how much more than the curve's own bend a block's rest can miss, for the other weights are rounded down; and by how much rounding can make the weights of a block more.
    private const int RestSlack = 6, Slack = 12;

    // How far the quick value of h is off at most, in its units.
    private const ulong Doubt = 64;

    private readonly BigInteger _numerator, _denominator;
    private readonly ulong _quickDenominator, _twiceNumerator;
    private readonly ulong[] _rectangles, _wedges, _rests, _heights;
    private readonly int _heightBits;

    /// <param name="numerator">The numerator of sigma^2, from 1 to 2^60.</param>
    /// <param name="denominator">Its denominator, from 1 to 2^31.</param>
    public GaussianParts(long numerator, long denominator)
    {
        (_numerator, _denominator, _twiceNumerator, _quickDenominator) = (numerator, denominator, 2 * (ulong)numerator, (ulong)denominator);
        while (_numerator >= (LeastBlocksSquared * _denominator) << (2 * (StepBits + 1))) StepBits++;
        BigInteger[] weights = Weights();
        Count = weights.Length - 1;
        (_rectangles, _wedges, _rests, _heights) = (new ulong[Count], new ulong[Count], new ulong[Count], new ulong[Count]);
        Scale = ((Whole - (Count + 1) * Slack) << Precision) / Enumerable.Range(0, Count).Aggregate(BigInteger.Zero, (sum, block) => sum + MostOf(weights, block));
        _heightBits = 64 - (int)Scale.GetBitLength();
        for (int block = 0; block < Count; block++) Divide(weights, block);
    }

    /// <summary>Binary digits of the numbers of a block.</summary>
    public int StepBits { get; }

    /// <summary>Number of blocks before the tail, at most 631.</summary>
    public int Count { get; }

    /// <summary>c.</summary>
    public BigInteger Scale { get; }

    /// <summary>All weights: of rectangle, wedge and rest of each block, and of the tail.</summary>
    public IEnumerable<ulong> All => Enumerable.Range(0, Count).SelectMany(block => (ulong[])[_rectangles[block], _wedges[block], _rests[block]]).Append(1UL);

    /// <summary>The weights of the rectangles, by block.</summary>
    public ReadOnlySpan<ulong> Rectangles => _rectangles;

    private static BigInteger Whole => BigInteger.One << WeightBits;

    private BigInteger BlockDenominator => _denominator << (2 * StepBits);

    /// <summary>Whether a number of a block's rest is kept.</summary>
    /// <param name="block">The block.</param>
    /// <param name="step">The number's place in the block.</param>
    /// <param name="random">Random bytes.</param>
    public bool KeepsRest(int block, ulong step, RandomBytes random)
    {
        ulong coin = random.NextUInt64(), odds = 2 * ((1UL << StepBits) - step) - 1;

        // In units of 2^-heightBits of a weight. Of h is known that it is off by at most a unit for the height, 20 for the exponential, and a few for cutting.
        UInt128 height = ((UInt128)_heights[block] * ExpMinus(block, step)) >> 63, parts = ((UInt128)_rectangles[block] << _heightBits) + (((UInt128)_wedges[block] * odds << _heightBits) >> StepBits);
        UInt128 least = Math.BigMul(coin, _rests[block] << _heightBits, out _) + parts;
        if (least + 2 + Doubt <= height) return true;
        if (least >= height + Doubt) return false;
        BigInteger x = ((BigInteger)block << StepBits) + step, taken = ((BigInteger)_rectangles[block] << StepBits) + (BigInteger)_wedges[block] * odds;
        return Keeps(coin, (BigInteger)_rests[block] << StepBits, Scale << StepBits, x, taken, random);
    }

    /// <summary>Whether a number of the tail is kept.</summary>
    /// <param name="piece">Which piece of the tail, drawn with the probability 2^-(piece + 1).</param>
    /// <param name="x">The number, drawn evenly from the piece.</param>
    /// <param name="random">Random bytes.</param>
    public bool KeepsTail(int piece, BigInteger x, RandomBytes random) => Keeps(random.NextUInt64(), 1, Scale << (TailBits + piece + 1), x, 0, random);

    // Whether u a < b exp(-x^2/(2 sigma^2)) - c, for a random number u between 0 and 1, of which there are 64 bits at first and as many as decide it in the end. Beyond 1448
    // sigmas nothing is kept: as much as came once in 2^1,500,000 draws.
    private bool Keeps(BigInteger u, BigInteger a, BigInteger b, BigInteger x, BigInteger c, RandomBytes random)
    {
        for (int bits = 64; ; bits += 64)
        {
            int more = Precision, precision = bits + more;
            BigInteger right = b * FixedPoint.ExpMinus(x * x * _denominator, 2 * _numerator, precision) - (c << precision), error = b << 37;
            if (((u + 1) * a) << more <= right - error) return true;
            if ((u * a) << more >= right + error) return false;
            u = (u << 64) | random.NextUInt64();
        }
    }

    // exp(-((start + step)^2 - start^2)/(2 sigma^2)) with 63 bits behind the point, off by at most 10 units: the exponent is below 0.35, so that of 16 terms of the series the last is none, and the
    // cuts of each are divided by the next.
    private ulong ExpMinus(int block, ulong step)
    {
        const ulong One = 1UL << 63;
        ulong exponent = (ulong)(((UInt128)(((2 * (ulong)block << StepBits) + step) * step * _quickDenominator) << 63) / _twiceNumerator), value = One;
        for (ulong k = 16; k > 0; k--) value = One - (ulong)(((UInt128)exponent * value) >> 63) / k;
        return value;
    }

    // exp(-b^2/(2 v)) for the starts of blocks, v = sigma^2/n^2, until all that lies beyond fits into the tail: there, the first piece's curve is below 1/2 for each of its blocks' 2^TailBits, and goes
    // down faster than the halves with which pieces are drawn. A weight is the one before times r^(2b + 1), r = exp(-1/(2v)).
    private BigInteger[] Weights()
    {
        BigInteger ratio = FixedPoint.ExpMinus(BlockDenominator, 2 * _numerator, Precision), square = (ratio * ratio) >> Precision, weight = BigInteger.One << Precision;
        BigInteger last = BigInteger.One << (Precision - WeightBits - TailBits - 2);
        List<BigInteger> weights = [weight];
        while (weight > last)
        {
            weight = (weight * ratio) >> Precision;
            ratio = (ratio * square) >> Precision;
            weights.Add(weight);
        }

        return [.. weights];
    }

    // What a block's parts weigh at most, but for rounding, per unit of the curve.
    private BigInteger MostOf(BigInteger[] weights, int block)
    {
        if (StepBits == 0) return weights[block] + 1;
        BigInteger wedge = (weights[block] - weights[block + 1]) / 2;
        return weights[block + 1] + wedge + (wedge >> StepBits) + Sag(weights[block], block) + 3;
    }

    // Rectangle and wedge together are a straight line over the block. The chord of the curve is one; where the curve is hollow, the line is lower by as much as the chord can lie above it, which is
    // n^2/8 of the largest second derivative. The curve is above the line then, by as much as this and what it can lie above the chord.
    private void Divide(BigInteger[] weights, int block)
    {
        BigInteger unknown = BigInteger.One << (Precision - RightBits);
        (BigInteger low, BigInteger high) first = Between(weights[block]), second = Between(weights[block + 1]);
        _heights[block] = (ulong)((weights[block] * Scale) >> (Precision - _heightBits));
        if (StepBits == 0)
        {
            (_rectangles[block], _rests[block]) = ((ulong)first.low, 2);
            return;
        }

        BigInteger wedge = BigInteger.Max(0, (first.low - second.high) / 2), hollow = Hollow(first.high, block), rectangle = second.low + (wedge >> StepBits) - hollow;
        if (rectangle.Sign < 0) (wedge, rectangle) = (0, 0);
        BigInteger rest = wedge.IsZero ? first.high - rectangle : hollow + Sag(first.high, block) + RestSlack;
        (_wedges[block], _rectangles[block], _rests[block]) = ((ulong)wedge, (ulong)rectangle, (ulong)rest);

        (BigInteger Low, BigInteger High) Between(BigInteger weight) => (BigInteger.Max(0, (weight - unknown) * Scale) >> Precision, (((weight + unknown) * Scale) >> Precision) + 1);
    }

    // n^2/8 of the most of h'' = h/sigma^2 (x^2/sigma^2 - 1), and of the most of -h'', in a block whose start has this height.
    private BigInteger Hollow(BigInteger height, int block) => Eighth(height, (BigInteger)(block + 1) * (block + 1) * BlockDenominator - _numerator);

    private BigInteger Sag(BigInteger height, int block) => Eighth(height, _numerator - (BigInteger)block * block * BlockDenominator);

    private BigInteger Eighth(BigInteger height, BigInteger factor) => factor.Sign <= 0 ? 0 : height * BlockDenominator * factor / (8 * _numerator * _numerator) + 1;
}
