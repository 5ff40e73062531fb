using System.Numerics;
using FedCore.Privacy.Sampling;

namespace FedCore.Core.Tests.Privacy.Sampling;

public class ExactnessTests
{
    // exp(-1) and exp(-1/2) to 40 digits: OEIS A068985 and A092605.
    [Theory]
    [InlineData(1, 1, "3678794411714423215955237701614608674458")]
    [InlineData(1, 2, "6065306597126334236037995349911804534419")]
    public void Fixed_point_exponentials_have_all_their_digits(int p, int q, string digits)
    {
        BigInteger scaled = (FixedPoint.ExpMinus(p, q, 200) * BigInteger.Pow(10, 40)) >> 200;
        Assert.InRange((double)BigInteger.Abs(scaled - BigInteger.Parse(digits, System.Globalization.CultureInfo.InvariantCulture)), 0, 1);
    }

    [Fact]
    public void Large_exponents_leave_nothing() => Assert.Equal(BigInteger.Zero, FixedPoint.ExpMinus(1 << 22, 1, 500));

    [Theory]
    [InlineData(0, 1)]
    [InlineData(1, 3)]
    [InlineData(1, 1)]
    [InlineData(7, 2)]
    public void Coins_fall_with_the_exact_probability(int a, int b)
    {
        using var random = new SystemRandomBytes();
        const int Tosses = 200_000;
        double p = Math.Exp(-(double)a / b);
        Goodness.AssertFits(() => Bernoulli.ExpMinus(random, (ulong)a, (ulong)b) ? 1 : 0, x => x == 1 ? p : x == 0 ? 1 - p : 0, 1, Tosses);
    }

    // What a word has no bits for is drawn first, here none. Words that agree with a bound in all their 64 bits are decided by the next ones: the draw is then the block below or above the bound, and nothing else.
    [Fact]
    public void A_word_that_decides_nothing_is_continued()
    {
        var table = new HalfGaussianTable(4, 1);
        double sum = Enumerable.Range(0, 40).Sum(b => Math.Exp(-b * b / 8.0));
        var bound = (ulong)(Math.Exp(0) / sum * Math.Pow(2, 64));
        int undecided = 0;

        // The double is right to some 53 bits: the bound is among these.
        for (ulong word = bound - 3000; word < bound + 3000; word++)
        {
            int low = table.Next(word, 0, new Given(0, 0)), high = table.Next(word, 0, new Given(0, ulong.MaxValue));
            Assert.InRange(high, low, 1);
            if (low != high) undecided++;
        }

        Assert.Equal(1, undecided);
    }

    // Of few bits, those that hold a bound: what is drawn next says on which side of it.
    [Fact]
    public void Bits_that_decide_nothing_are_filled_up_to_a_word()
    {
        var table = new HalfGaussianTable(4, 1);
        const ulong below = (1UL << 40) - 1;
        ulong bits = (ulong)(Math.Pow(2, 64) / Enumerable.Range(0, 40).Sum(b => Math.Exp(-b * b / 8.0))) & ~below;
        Assert.Equal((0, 1), (table.Next(bits, below, new Given(0)), table.Next(bits, below, new Given(ulong.MaxValue))));
        Assert.Equal((0, 1), (table.Next(bits - below - 1, below, new Given(ulong.MaxValue)), table.Next(bits + below + 1, below, new Given(0))));
    }

    [Fact]
    public void The_far_tail_is_reached_with_as_many_bits_as_it_needs() =>
        Assert.InRange(new HalfGaussianTable(4, 1).Next(ulong.MaxValue, 0, new Given(0, ulong.MaxValue, ulong.MaxValue)), 28, 40);

    // A coin of bias (2^32 + 1)/2^33: its first 32 bits decide unless they are 2^31, and then the next ones have to be 0.
    [Theory]
    [InlineData(1U << 31, 0U, true)]
    [InlineData(1U << 31, 1U << 31, false)]
    [InlineData((1U << 31) - 1, uint.MaxValue, true)]
    [InlineData((1U << 31) + 1, 0U, false)]
    public void A_coin_whose_bits_decide_nothing_is_tossed_on(uint first, uint second, bool isBelow) =>
        Assert.Equal(isBelow, Bernoulli.Fraction(new Given(((ulong)first << 32) | second), (1UL << 32) + 1, 1UL << 33));

    // These words, of each the upper half first, and then zeros.
    private sealed class Given(params ulong[] words) : RandomBytes
    {
        protected override void Fill(Span<byte> bytes)
        {
            bytes.Clear();
            ulong[] turned = [.. words.Select(word => BitOperations.RotateLeft(word, 32))];
            System.Runtime.InteropServices.MemoryMarshal.AsBytes(turned.AsSpan()).CopyTo(bytes);
        }
    }
}
