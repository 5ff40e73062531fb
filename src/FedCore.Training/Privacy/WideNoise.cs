using FedCore.Privacy.Sampling;

namespace FedCore.Training.Privacy;

/// <summary>Discrete noise that hides no less than continuous noise.</summary>
internal static class WideNoise
{
    /// <summary>Whether a sampler has room for it.</summary>
    /// <param name="deviation">The deviation of the continuous noise, in steps.</param>
    public static bool Fits(double deviation) => VarianceFor(deviation) <= DiscreteGaussianSampler.MostNumerator;

    /// <summary>A sampler of it.</summary>
    /// <param name="deviation">The deviation of the continuous noise, in steps.</param>
    /// <param name="random">Random bytes.</param>
    /// <exception cref="FedCoreException">It is too wide (<c>privacy.noise-multiplier</c>).</exception>
    public static DiscreteGaussianSampler Sampler(double deviation, RandomBytes random) => Fits(deviation)
        ? new DiscreteGaussianSampler((long)VarianceFor(deviation), 1, random)
        : throw FedCoreException.Configuration("privacy.noise-multiplier", FormattableString.Invariant($"The noise would have a deviation of {deviation:G3} steps, which is more than can be drawn. Lower privacy.noiseMultiplier or privacy.clip."));

    private static double VarianceFor(double deviation) => DiscreteGaussianSampler.VarianceFor(deviation * deviation);
}
