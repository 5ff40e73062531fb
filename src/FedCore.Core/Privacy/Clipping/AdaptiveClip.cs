using System.ComponentModel.DataAnnotations;

namespace FedCore.Privacy.Clipping;

/// <summary>
/// A clip that follows a quantile of the updates' norms (Andrew, Thakkar, McMahan and Ramaswamy 2021): behind each round it is multiplied with exp(-eta (b - gamma)), where b is the
/// noisy share of updates that were not longer than it.
/// </summary>
public sealed record AdaptiveClip
{
    /// <summary>The quantile of the norms that the clip follows, gamma.</summary>
    [Range(0.01, 0.99)]
    public double Quantile { get; init; } = 0.5;

    /// <summary>How fast it follows, eta.</summary>
    [Range(0, 10, MinimumIsExclusive = true)]
    public double LearningRate { get; init; } = 0.2;

    /// <summary>Standard deviation of the noise on the number of updates that were not clipped; null for a twentieth of the cohort, as in the paper, or the noise multiplier, where that is more.</summary>
    [Range(0, double.MaxValue, MinimumIsExclusive = true)]
    public double? CountNoise { get; init; }

    /// <summary>Standard deviation of the noise on the number of updates that were not clipped.</summary>
    /// <param name="clients">How many updates there are.</param>
    /// <param name="noiseMultiplier">The noise multiplier of both together: with as much on the count, the updates need 1.155 times as much.</param>
    /// <returns>The deviation.</returns>
    internal double CountNoiseFor(int clients, double noiseMultiplier) => CountNoise ?? Math.Max(clients / 20.0, noiseMultiplier);

    /// <summary>The clip of the next round (the paper's equation 3).</summary>
    /// <param name="clip">The present clip.</param>
    /// <param name="unclipped">The share of updates that were not longer, as far as noise lets it be known.</param>
    /// <returns>The next clip.</returns>
    internal double Next(double clip, double unclipped) => clip * Math.Exp(-LearningRate * (Math.Clamp(unclipped, 0, 1) - Quantile));

    /// <summary>
    /// The noise multiplier for the updates with which they and the count together cost what a noise multiplier of z costs: (z^-2 - (2 s)^-2)^-1/2 for noise s on the count, whose
    /// summands are plus or minus a half (the paper's theorem 1).
    /// </summary>
    /// <param name="noiseMultiplier">The noise multiplier of both together, z.</param>
    /// <param name="countNoise">The standard deviation of the noise on the count, s.</param>
    /// <returns>The noise multiplier for the updates; above z.</returns>
    /// <exception cref="FedCoreException">The count alone costs as much or more (<c>privacy.noise-multiplier</c>).</exception>
    public static double ValueNoiseMultiplier(double noiseMultiplier, double countNoise)
    {
        if (noiseMultiplier < 2 * countNoise) return 1 / Math.Sqrt(1 / (noiseMultiplier * noiseMultiplier) - 1 / (4 * countNoise * countNoise));
        throw FedCoreException.Configuration("privacy.noise-multiplier", FormattableString.Invariant(
            $"A noise multiplier of {noiseMultiplier} leaves nothing for the updates where the count of clipped ones has noise of {countNoise}: the multiplier must be below {2 * countNoise}. ")
            + "Raise privacy.adaptiveClip.countNoise, or lower the noise multiplier.");
    }
}
