using System.Numerics;
using System.Runtime.Intrinsics;
using FedCore.Privacy.Sampling;

namespace FedCore.Core.Tests.Privacy.Sampling;

/// <summary>The Gaussian's parts are the Gaussian: checked number by number in exact arithmetic.</summary>
public class GaussianPartsTests
{
    private const int Precision = 300;

    // Blocks of 1, 2, 8 and more numbers, at both ends of what a block may be of a sigma, and sigmas that are no whole numbers.
    public static TheoryData<long, long> Variances => new() { { 1, 10_000 }, { 1, 4 }, { 1, 1 }, { 100, 1 }, { 1023, 1 }, { 1024, 1 }, { 4095, 1 }, { 10_000, 1 }, { 65_535, 1 }, { 1_000_003, 7 }, { 262_143, 1 } };

    [Theory]
    [MemberData(nameof(Variances))]
    public void Rectangle_and_wedge_lie_below_the_curve_and_with_the_rest_above_it(long numerator, long denominator)
    {
        var parts = new GaussianParts(numerator, denominator);
        ulong[] all = [.. parts.All];
        BigInteger n = BigInteger.One << parts.StepBits;
        for (int block = 0; block < parts.Count; block++)
        {
            for (int step = 0; step < n; step++)
            {
                // Both in units of 2^-300, times n.
                (BigInteger below, BigInteger above) = Curve(parts, numerator, denominator, block, step);
                BigInteger line = (n * all[3 * block] + all[3 * block + 1] * (2 * (n - step) - 1)) << Precision, rest = (n * all[3 * block + 2]) << Precision;
                Assert.True(line <= n * below && n * above <= line + rest, $"block {block}, step {step}");
            }
        }
    }

    // Beyond the last block: in the first piece, and from each piece to the next the curve falls to less than half.
    [Theory]
    [MemberData(nameof(Variances))]
    public void The_tail_lies_above_the_curve(long numerator, long denominator)
    {
        var parts = new GaussianParts(numerator, denominator);
        for (int piece = 0; piece < 4; piece++)
        {
            (_, BigInteger above) = Curve(parts, numerator, denominator, parts.Count + (piece << GaussianParts.TailBits), 0);
            Assert.True(above << (GaussianParts.TailBits + piece + 1) <= BigInteger.One << Precision);
        }
    }

    [Theory]
    [MemberData(nameof(Variances))]
    [InlineData(1L << 60, 1)]
    [InlineData(1L << 60, 1L << 31)]
    [InlineData((1L << 42) - 1, 1)]
    public void The_weights_fill_the_whole_and_rests_are_rare(long numerator, long denominator)
    {
        var parts = new GaussianParts(numerator, denominator);
        ulong[] all = [.. parts.All];
        double whole = Math.Pow(2, GaussianParts.WeightBits), sum = all.Sum(weight => (double)weight), rests = all.Where((_, i) => i % 3 == 2).Sum(weight => (double)weight);
        Assert.True(all.Aggregate(BigInteger.Zero, (total, weight) => total + weight) <= BigInteger.One << GaussianParts.WeightBits);
        Assert.Equal(1, sum / whole, 1e-9);
        Assert.InRange(rests / whole, 0, 2e-4);
        Assert.InRange(parts.Count, 1, 631);
    }

    [Theory]
    [MemberData(nameof(Variances))]
    public void Each_block_has_the_whole_cells_of_its_rectangle(long numerator, long denominator)
    {
        var parts = new GaussianParts(numerator, denominator);
        var cells = new RectangleCells(parts.Rectangles);
        int[] counts = new int[RectangleCells.Undecided + 1];
        for (uint bits = 0; bits < 1 << RectangleCells.Bits; bits++) counts[cells.Next(bits << (32 - RectangleCells.Bits))]++;
        int[] expected = [.. Enumerable.Range(0, (int)RectangleCells.Undecided).Select(block => block < parts.Count ? RectangleCells.CellsOf(parts.Rectangles[block]) : 0)];
        Assert.Equal([.. expected, cells.Left], counts);
        Assert.Equal(1 << RectangleCells.Bits, counts.Sum());
    }

    [Fact]
    public void Vectors_find_the_cells_of_single_words()
    {
        Assert.SkipUnless(RectangleCells.HasLanes, "This machine draws one by one.");
        var cells = new RectangleCells(new GaussianParts(10_000, 1).Rectangles);
        for (uint bits = 0; bits < 1 << RectangleCells.Bits; bits += 16)
        {
            uint[] words = [.. Enumerable.Range(0, 16).Select(i => ((bits + (uint)i) << (32 - RectangleCells.Bits)) | (0x1_2345u * (uint)i & 0x1_FFFF))], found = new uint[16];
            cells.Many.Next(Vector512.Create(words)).CopyTo(found);
            Assert.Equal(words.Select(cells.Next), found);
        }
    }

    // Of all 64 bits of a coin one value is undecided, and the bits after it decide. Those around it are known without them, whether the quick value of the curve is sure enough of them or not.
    [Theory]
    [InlineData(10_000, 1, 3, 1)]
    [InlineData(10_000, 1, 40, 0)]
    [InlineData(1_000_003, 7, 17, 5)]
    [InlineData(1L << 42, 1, 20, 40_001)]
    [InlineData(1L << 60, 1, 30, 1L << 24)]
    [InlineData(1, 1, 2, 0)]
    public void A_coin_for_the_rest_falls_on_the_right_side_to_the_last_bit(long numerator, long denominator, int block, long step)
    {
        var parts = new GaussianParts(numerator, denominator);
        ulong[] all = [.. parts.All];
        BigInteger n = BigInteger.One << parts.StepBits;
        (BigInteger below, _) = Curve(parts, numerator, denominator, block, step);
        BigInteger missing = n * below - ((n * all[3 * block] + all[3 * block + 1] * (2 * (n - step) - 1)) << Precision), rest = n * all[3 * block + 2];
        var edge = (ulong)(((missing << 64) / rest) >> Precision);
        foreach (ulong distance in (ulong[])[1, 2, 1000, 1 << 30, 1UL << 50])
        {
            Assert.True(edge < distance || Keeps(edge - distance, ulong.MaxValue));
            Assert.False(edge + distance >= edge && Keeps(edge + distance, 0));
        }

        Assert.True(Keeps(edge, 0));
        Assert.False(Keeps(edge, ulong.MaxValue));

        bool Keeps(ulong coin, ulong next) => parts.KeepsRest(block, (ulong)step, new GivenBytes(coin, next));
    }

    // The curve over the tail's first number, of which 2^7 times the height is the probability.
    [Fact]
    public void A_coin_for_the_tail_falls_on_the_right_side_to_the_last_bit()
    {
        var parts = new GaussianParts(100, 1);
        (BigInteger below, _) = Curve(parts, 100, 1, parts.Count, 0);
        var edge = (ulong)((below << (64 + GaussianParts.TailBits + 1)) >> Precision);
        Assert.True(Keeps(edge - 1, ulong.MaxValue));
        Assert.True(Keeps(edge, 0));
        Assert.False(Keeps(edge, ulong.MaxValue));
        Assert.False(Keeps(edge + 1, 0));

        bool Keeps(ulong coin, ulong next) => parts.KeepsTail(0, parts.Count, new GivenBytes(coin, next));
    }

    // The last of the numbers below the total that stand for a part is the tail's, which comes once in 2^62 draws.
    [Fact]
    public void The_tail_is_reached()
    {
        var parts = new GaussianParts(100, 1);
        var cells = new RectangleCells(parts.Rectangles);
        var remainder = new GaussianRemainder(parts, cells);
        BigInteger total = (BigInteger)cells.Left * RectangleCells.CellWeight, parted = total - ((BigInteger.One << GaussianParts.WeightBits) - parts.All.Aggregate(BigInteger.Zero, (sum, weight) => sum + weight));

        // Then: a word for the sign; one whose lowest bit is 1, for the first piece, and whose next are 3, the number in it; and a coin.
        Assert.Equal(-(parts.Count + 3), remainder.Next(new GivenBytes(WordFor(parted - 1), 1, 1 | (3 << 1))));
        Assert.Null(remainder.Next(new GivenBytes(WordFor(parted - 1), 1, 1 | (3 << 1), ulong.MaxValue)));
        Assert.Null(remainder.Next(new GivenBytes(WordFor(parted))));
        Assert.InRange(remainder.Next(new GivenBytes(WordFor(parted - 2)))!.Value, parts.Count - 1, parts.Count - 1);

        // The second word of those that fall on the number, since the first may be refused.
        ulong WordFor(BigInteger number) => (ulong)(((number << 64) + total - 1) / total + 1);
    }

    // What cells leave is the curve but for them: boxes of whole cells, drawn evenly.
    [Theory]
    [InlineData(1, 1)]
    [InlineData(100, 1)]
    [InlineData(10_000, 1)]
    [InlineData(1_000_003, 7)]
    public void What_cells_leave_is_distributed_as_the_difference(long numerator, long denominator)
    {
        using var random = new SystemRandomBytes();
        var parts = new GaussianParts(numerator, denominator);
        var cells = new RectangleCells(parts.Rectangles);
        var remainder = new GaussianRemainder(parts, cells);
        int most = parts.Count << parts.StepBits;
        double[] missing = [.. Enumerable.Range(0, most).Select(x => Missing(x))];
        double sum = 2 * missing.Sum() - missing[0];
        Goodness.AssertFits(Draw, x => Math.Abs(x) < most ? missing[Math.Abs(x)] / sum : 0, most - 1, 1_000_000);

        long Draw()
        {
            while (true)
                if (remainder.Next(random) is { } x) return x;
        }

        double Missing(int x)
        {
            int block = x >> parts.StepBits;
            double cellsOf = block < RectangleCells.Undecided ? RectangleCells.CellsOf(parts.Rectangles[block]) * (double)RectangleCells.CellWeight : 0;
            return (double)parts.Scale * Math.Exp(-(double)x * x * denominator / (2.0 * numerator)) - cellsOf;
        }
    }

    // Between which the curve is, in units of 2^-300 of a weight.
    private static (BigInteger Below, BigInteger Above) Curve(GaussianParts parts, long numerator, long denominator, int block, long step)
    {
        const int Guard = 140;
        BigInteger x = ((BigInteger)block << parts.StepBits) + step, height = parts.Scale * FixedPoint.ExpMinus(x * x * denominator, 2 * (BigInteger)numerator, Precision + Guard), error = parts.Scale << 37;
        return ((height - error) >> Guard, ((height + error) >> Guard) + 1);
    }
}
