namespace FedCore.Privacy.Accounting.Events;

/// <summary>Gaussian noise on a sum of vectors (Dwork and Roth 2014, appendix A).</summary>
/// <param name="NoiseMultiplier">Standard deviation of the noise on each number, over the Euclidean sensitivity; above 0.</param>
public sealed record GaussianEvent(double NoiseMultiplier) : PrivacyEvent
{
    /// <summary>Standard deviation of the noise over the sensitivity.</summary>
    public double NoiseMultiplier { get; init; } = Positive(NoiseMultiplier, nameof(NoiseMultiplier));
}
