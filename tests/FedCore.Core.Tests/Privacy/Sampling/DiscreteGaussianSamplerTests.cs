using FedCore.Core.Tests.Privacy.Accounting;
using FedCore.Privacy.Accounting;
using FedCore.Privacy.Sampling;

namespace FedCore.Core.Tests.Privacy.Sampling;

public class DiscreteGaussianSamplerTests
{
    private const int Draws = 1_000_000;

    public static TheoryData<long, long> Variances => new() { { 1, 4 }, { 1, 2 }, { 1, 1 }, { 4, 1 }, { 100, 1 }, { 10_000, 1 }, { 1_000_003, 7 } };

    [Theory]
    [MemberData(nameof(Variances))]
    public void Draws_are_distributed_as_the_exact_probabilities_say(long numerator, long denominator)
    {
        using var random = new SystemRandomBytes();
        var sampler = new DiscreteGaussianSampler(numerator, denominator, random);
        var exact = new DiscreteGaussianDistribution(Math.Sqrt((double)numerator / denominator));
        Goodness.AssertFits(sampler.Next, exact.Probability, exact.Most, Draws);
    }

    [Fact]
    public void Moments_are_those_of_a_direct_sum()
    {
        foreach (string[] row in ReferenceRows.Of("discrete_gaussian_moments").Where(row => row[1] != "0.01"))
        {
            double variance = ReferenceRows.Number(row[1]), expected = ReferenceRows.Number(row[3]), fourth = ReferenceRows.Number(row[4]), squares = 0, above = 0;
            var sampler = new DiscreteGaussianSampler((long)(variance * 4), 4, new SimulationRandomBytes(Statistics.Stream("moments", (long)variance)));
            for (int i = 0; i < Draws; i++)
            {
                double x = sampler.Next();
                squares += x * x;
                if (x >= 1) above++;
            }

            // Four standard errors of the mean of squares, and of the share above 0.
            Assert.Equal(expected, squares / Draws, 4 * Math.Sqrt((fourth - expected * expected) / Draws));
            double share = ReferenceRows.Number(row[6]);
            Assert.Equal(share, above / Draws, 4 * Math.Sqrt(share * (1 - share) / Draws));
        }
    }

    [Fact]
    public void Hardly_any_noise_is_nearly_always_zero()
    {
        using var random = new SystemRandomBytes();
        var sampler = new DiscreteGaussianSampler(1, 10_000, random);
        for (int i = 0; i < 1000; i++) Assert.Equal(0, sampler.Next());
    }

    [Fact]
    public void Wide_noise_has_the_deviation_that_was_asked_for()
    {
        long sigma = 1L << 29;
        var sampler = new DiscreteGaussianSampler(sigma * sigma, 1, new SimulationRandomBytes(Statistics.Stream("wide")));
        double squares = 0;
        bool[] lowBits = new bool[2];
        for (int i = 0; i < 200_000; i++)
        {
            long x = sampler.Next();
            squares += (double)x / sigma * x / sigma;
            lowBits[x & 1] = true;
        }

        // The mean of 200,000 squares has a standard error of sqrt(2/200,000).
        Assert.Equal(1, squares / 200_000, 4 * Math.Sqrt(2 / 200_000.0));
        Assert.Equal([true, true], lowBits);
    }

    // Many at once: in vectors where the processor has them, for widths on both sides of what one word holds and of what a lane holds.
    public static TheoryData<long, long> Widths => new() { { 1, 1 }, { 1_000_003, 7 }, { (1L << 44) - 1, 1 }, { 1L << 44, 1 }, { (1L << 58) - 1, 1 }, { 1L << 58, 1 }, { 1L << 60, 1 } };

    [Theory]
    [MemberData(nameof(Variances))]
    public void Many_draws_are_distributed_as_the_exact_probabilities_say(long numerator, long denominator)
    {
        using var random = new SystemRandomBytes();
        var sampler = new DiscreteGaussianSampler(numerator, denominator, random);
        var exact = new DiscreteGaussianDistribution(Math.Sqrt((double)numerator / denominator));
        int[] drawn = new int[Draws];
        int next = 0;
        Goodness.AssertFits(Draw, exact.Probability, exact.Most, Draws);

        long Draw()
        {
            if (next % Draws == 0) sampler.Fill(drawn);
            return drawn[next++ % Draws];
        }
    }

    [Theory]
    [MemberData(nameof(Widths))]
    public void Vectors_draw_the_numbers_that_other_machines_draw(long numerator, long denominator)
    {
        Assert.SkipUnless(RectangleCells.HasLanes, "This machine draws one by one.");
        int[] wide = new int[100_001], narrow = new int[wide.Length];
        Sampler().Fill(wide);
        Sampler().Fill(narrow, isWide: false);
        Assert.Equal(narrow, wide);

        DiscreteGaussianSampler Sampler() => new(numerator, denominator, new SimulationRandomBytes(Statistics.Stream("wide and narrow")));
    }

    [Theory]
    [MemberData(nameof(Widths))]
    public void Many_wide_draws_have_the_deviation_that_was_asked_for(long numerator, long denominator)
    {
        int[] drawn = new int[200_000];
        new DiscreteGaussianSampler(numerator, denominator, new SimulationRandomBytes(Statistics.Stream("many wide"))).Fill(drawn);
        double variance = (double)numerator / denominator;

        // Numbers of a deviation of 2^29 and more are modulo 2^32 others now and then; the mean of squares has a standard error of sqrt(2/200,000).
        if (variance < Math.Pow(2, 56)) Assert.Equal(1, drawn.Average(x => (double)x * x) / variance, 4 * Math.Sqrt(2.0 / drawn.Length) + 1e-3);
        Assert.Equal(drawn.Length / 2.0, drawn.Count(x => x > 0) + drawn.Count(x => x == 0) / 2.0, 2 * Math.Sqrt(drawn.Length));
    }

    [Fact]
    public void Words_of_a_ring_receive_one_number_each_and_lose_it_again()
    {
        uint[] words = [.. Enumerable.Range(0, 5000).Select(i => uint.MaxValue / 7 * (uint)i)], changed = [.. words];
        int[] drawn = new int[words.Length];
        Sampler().AddTo(changed);
        Sampler().Fill(drawn);
        Assert.Equal(words.Zip(drawn, (word, number) => word + (uint)number), changed);
        Assert.NotEqual(words, changed);
        Sampler().SubtractFrom(changed);
        Assert.Equal(words, changed);

        static DiscreteGaussianSampler Sampler() => new(25, 1, new SimulationRandomBytes(Statistics.Stream("ring")));
    }

    [Theory]
    [InlineData(0, 1)]
    [InlineData(1, 0)]
    [InlineData(DiscreteGaussianSampler.MostNumerator + 1, 1)]
    [InlineData(1, DiscreteGaussianSampler.MostDenominator + 1)]
    public void Variances_beyond_the_limits_are_refused(long numerator, long denominator) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => new DiscreteGaussianSampler(numerator, denominator, new SystemRandomBytes()));
}
