using System.Buffers.Binary;
using FedCore.Numerics;

namespace FedCore.Core.Tests.Numerics;

public class RandomStreamTests
{
    // The output of the authors' C program for the state 1, 2, 3, 4, which the test suites of other implementations quote too.
    private static readonly ulong[] Published =
    [
        11520, 0, 1509978240, 1215971899390074240, 1216172134540287360, 607988272756665600, 16172922978634559625, 8476171486693032832,
        10595114339597558777, 2904607092377533576,
    ];

    [Fact]
    public void State_one_two_three_four_gives_the_published_numbers()
    {
        RandomStream stream = FromState(1, 2, 3, 4);
        Assert.Equal(Published, Published.Select(_ => stream.NextUInt64()));
    }

    [Fact]
    public void Ten_thousand_numbers_equal_those_of_the_recurrence_in_128_bits()
    {
        UInt128[] s = [0x0123456789ABCDEF, 0xFEDCBA9876543210, 0xDEADBEEFCAFEBABE, 42];
        RandomStream stream = FromState((ulong)s[0], (ulong)s[1], (ulong)s[2], (ulong)s[3]);
        for (int i = 0; i < 10_000; i++)
        {
            ulong expected = (ulong)(Rotate((ulong)(s[1] * 5), 7) * 9);
            UInt128 t = (ulong)(s[1] << 17);
            s[2] ^= s[0];
            s[3] ^= s[1];
            s[1] ^= s[2];
            s[0] ^= s[3];
            s[2] ^= t;
            s[3] = Rotate((ulong)s[3], 45);
            Assert.Equal(expected, stream.NextUInt64());
        }

        // Rotation by doubling the word, unlike the product's.
        static UInt128 Rotate(ulong word, int by) => (ulong)(new UInt128(word, word) >> (64 - by));
    }

    [Fact]
    public void A_key_of_zeros_is_refused() => Assert.Throws<ArgumentException>(() => new RandomStream(new byte[32]));

    [Theory]
    [InlineData(0)]
    [InlineData(31)]
    [InlineData(33)]
    public void A_key_of_another_length_is_refused(int length) => Assert.Throws<ArgumentOutOfRangeException>(() => new RandomStream(new byte[length]));

    [Theory]
    [InlineData(2)]
    [InlineData(7)]
    [InlineData(100)]
    public void Whole_numbers_below_a_bound_are_evenly_spread(int bound)
    {
        RandomStream stream = Statistics.Stream("below");
        int[] counts = new int[bound];
        for (int i = 0; i < 1000 * bound; i++) counts[stream.NextInt64(bound)]++;
        Statistics.AssertEven(counts);
    }

    // Below 3 x 2^61 a number taken modulo the bound would fall into the first third half as often again as into the others.
    [Fact]
    public void Whole_numbers_below_a_bound_near_two_to_the_63_are_not_biased()
    {
        RandomStream stream = Statistics.Stream("wide");
        const long third = 1L << 61;
        int[] counts = new int[3];
        for (int i = 0; i < 30_000; i++) counts[stream.NextInt64(3 * third) / third]++;
        Statistics.AssertEven(counts);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-5)]
    public void A_bound_below_one_is_refused(long bound) => Assert.Throws<ArgumentOutOfRangeException>(() => Statistics.Stream("bound").NextInt64(bound));

    [Fact]
    public void Bound_one_gives_zero() => Assert.Equal(0, Statistics.Stream("one").NextInt64(1));

    [Fact]
    public void Doubles_are_evenly_spread_over_the_unit_interval()
    {
        RandomStream stream = Statistics.Stream("double");
        int[] counts = new int[64];
        for (int i = 0; i < 64_000; i++) counts[(int)(stream.NextDouble() * 64)]++;
        Statistics.AssertEven(counts);
    }

    [Fact]
    public void Every_bit_is_set_half_the_time()
    {
        RandomStream stream = Statistics.Stream("bits");
        int[] ones = new int[64];
        for (int i = 0; i < 20_000; i++)
        {
            ulong word = stream.NextUInt64();
            for (int bit = 0; bit < 64; bit++) ones[bit] += (int)((word >> bit) & 1);
        }

        // Five deviations of a binomial(20,000, 1/2).
        Assert.All(ones, count => Assert.InRange(count, 10_000 - 354, 10_000 + 354));
    }

    // Mean 0, variance 1, skewness 0, fourth moment 3; limits are five standard errors of 200,000 draws.
    [Fact]
    public void Normal_numbers_have_the_moments_of_the_standard_normal()
    {
        RandomStream stream = Statistics.Stream("normal");
        const int n = 200_000;
        double m1 = 0, m2 = 0, m3 = 0, m4 = 0;
        for (int i = 0; i < n; i++)
        {
            double x = stream.NextNormal();
            (m1, m2, m3, m4) = (m1 + x, m2 + x * x, m3 + x * x * x, m4 + x * x * x * x);
        }

        double error = 5 / Math.Sqrt(n);
        Assert.Equal(0, m1 / n, error);
        Assert.Equal(1, m2 / n, error * Math.Sqrt(2));
        Assert.Equal(0, m3 / n, error * Math.Sqrt(15));
        Assert.Equal(3, m4 / n, error * Math.Sqrt(96));
    }

    // A gamma with unit scale has mean and variance equal to its shape, and the fourth central moment 3 a^2 + 6 a.
    [Theory]
    [InlineData(0.1)]
    [InlineData(0.5)]
    [InlineData(1)]
    [InlineData(3.7)]
    [InlineData(100)]
    public void Gamma_numbers_have_mean_and_variance_equal_to_their_shape(double shape)
    {
        RandomStream stream = Statistics.Stream("gamma");
        const int n = 100_000;
        double mean = 0, variance = 0;
        for (int i = 0; i < n; i++)
        {
            double x = stream.NextGamma(shape);
            (mean, variance) = (mean + x / n, variance + (x - shape) * (x - shape) / n);
        }

        Assert.Equal(shape, mean, 5 * Math.Sqrt(shape / n));
        Assert.Equal(shape, variance, 5 * Math.Sqrt((2 * shape * shape + 6 * shape) / n));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    public void A_gamma_shape_that_is_not_positive_is_refused(double shape) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => Statistics.Stream("gamma").NextGamma(shape));

    [Fact]
    public void A_shuffle_keeps_every_element()
    {
        int[] values = [.. Enumerable.Range(0, 1000)];
        Statistics.Stream("shuffle").Shuffle<int>(values);
        Assert.Equal(Enumerable.Range(0, 1000), values.Order());
    }

    [Fact]
    public void All_24_orders_of_four_come_evenly()
    {
        RandomStream stream = Statistics.Stream("orders");
        var counts = new Dictionary<string, int>();
        for (int i = 0; i < 24_000; i++)
        {
            char[] values = ['a', 'b', 'c', 'd'];
            stream.Shuffle<char>(values);
            string order = new(values);
            counts[order] = counts.GetValueOrDefault(order) + 1;
        }

        Assert.Equal(24, counts.Count);
        Statistics.AssertEven(counts.Values);
    }

    private static RandomStream FromState(params ulong[] state)
    {
        byte[] key = new byte[32];
        for (int i = 0; i < 4; i++) BinaryPrimitives.WriteUInt64LittleEndian(key.AsSpan(8 * i), state[i]);
        return new RandomStream(key);
    }
}
