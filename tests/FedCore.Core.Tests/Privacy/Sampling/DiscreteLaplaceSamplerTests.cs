using FedCore.Privacy.Sampling;

namespace FedCore.Core.Tests.Privacy.Sampling;

public class DiscreteLaplaceSamplerTests
{
    // P[X = x] = (e^(1/scale) - 1)/(e^(1/scale) + 1) e^(-|x|/scale) (Canonne, Kamath and Steinke 2020, section 5.1).
    [Theory]
    [InlineData(1, 1)]
    [InlineData(1, 3)]
    [InlineData(10, 1)]
    [InlineData(7, 2)]
    public void Draws_are_distributed_as_the_exact_probabilities_say(long t, long s)
    {
        using var random = new SystemRandomBytes();
        var sampler = new DiscreteLaplaceSampler(t, s, random);
        double rate = (double)s / t, factor = Math.Tanh(rate / 2);
        Goodness.AssertFits(sampler.Next, x => factor * Math.Exp(-Math.Abs(x) * rate), (int)Math.Ceiling(60 / rate), 1_000_000);
    }

    [Theory]
    [InlineData(0, 1)]
    [InlineData(1, 0)]
    [InlineData(1L << 32, 1)]
    public void Scales_beyond_the_limits_are_refused(long t, long s) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => new DiscreteLaplaceSampler(t, s, new SystemRandomBytes()));
}
