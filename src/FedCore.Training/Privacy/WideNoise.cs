using FedCore.Privacy.Sampling;

namespace FedCore.Training.Privacy;

/// <summary>Discrete noise that hides no less than continuous noise.</summary>
internal static class WideNoise
{
    /// <summary>The deviation of discrete noise, in steps, from which on it is known to hide no less than continuous noise; it is never narrower.</summary>
    public const double Least = 8;

    /// <summary>A sampler of it.</summary>
    /// <param name="deviation">The deviation of the continuous noise, in steps.</param>
    /// <param name="random">Random bytes.</param>
    /// <exception cref="FedCoreException">It is too wide (<c>privacy.noise-multiplier</c>).</exception>
    public static DiscreteGaussianSampler Sampler(double deviation, RandomBytes random)
    {
        double variance = Math.Max(Least * Least, DiscreteGaussianSampler.VarianceFor(deviation * deviation));
        return variance <= DiscreteGaussianSampler.MostNumerator ? new DiscreteGaussianSampler((long)variance, 1, random) : throw TooWide(deviation, "privacy.clip or the noise multiplier");
    }

    /// <summary>What is wrong with noise that there is no room for.</summary>
    /// <param name="deviation">Its deviation, in steps.</param>
    /// <param name="cause">What would have to be lower.</param>
    public static FedCoreException TooWide(double deviation, string cause) => FedCoreException.Configuration(
        "privacy.noise-multiplier", FormattableString.Invariant($"The noise would have a deviation of {deviation:G3} steps, which is more than can be drawn. Lower {cause}."));
}
