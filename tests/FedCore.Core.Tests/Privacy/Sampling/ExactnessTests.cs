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

    // A coin of bias (2^32 + 1)/2^33: its first 32 bits decide unless they are 2^31, and then the next ones have to be 0.
    [Theory]
    [InlineData(1U << 31, 0U, true)]
    [InlineData(1U << 31, 1U << 31, false)]
    [InlineData((1U << 31) - 1, uint.MaxValue, true)]
    [InlineData((1U << 31) + 1, 0U, false)]
    public void A_coin_whose_bits_decide_nothing_is_tossed_on(uint first, uint second, bool isBelow) =>
        Assert.Equal(isBelow, Bernoulli.Fraction(new GivenBytes(((ulong)second << 32) | first), (1UL << 32) + 1, 1UL << 33));
}
