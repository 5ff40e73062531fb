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

    [Fact]
    public void Words_of_a_ring_receive_one_number_each()
    {
        var first = new DiscreteGaussianSampler(25, 1, new SimulationRandomBytes(Statistics.Stream("ring")));
        var second = new DiscreteGaussianSampler(25, 1, new SimulationRandomBytes(Statistics.Stream("ring")));
        uint[] words = [5, 0, uint.MaxValue];
        first.AddTo(words);
        Assert.Equal([5 + (uint)second.Next(), (uint)second.Next(), uint.MaxValue + (uint)second.Next()], words);
    }

    [Theory]
    [InlineData(0, 1)]
    [InlineData(1, 0)]
    [InlineData(DiscreteGaussianSampler.MostNumerator + 1, 1)]
    [InlineData(1, DiscreteGaussianSampler.MostDenominator + 1)]
    public void Variances_beyond_the_limits_are_refused(long numerator, long denominator) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => new DiscreteGaussianSampler(numerator, denominator, new SystemRandomBytes()));
}
