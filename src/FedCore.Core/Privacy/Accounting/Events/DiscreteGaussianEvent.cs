namespace FedCore.Privacy.Accounting.Events;

/// <summary>Discrete Gaussian noise on a sum of vectors of integers (Canonne, Kamath and Steinke 2020).</summary>
/// <param name="Sigma">The noise's parameter, above 0: about the standard deviation of the noise on each number.</param>
/// <param name="Sensitivity">The Euclidean sensitivity, above 0, in the same unit.</param>
/// <param name="Dimension">Numbers in the vector, at least 1.</param>
public sealed record DiscreteGaussianEvent(double Sigma, double Sensitivity, long Dimension = 1) : PrivacyEvent
{
    /// <summary>The noise's parameter.</summary>
    public double Sigma { get; init; } = Positive(Sigma, nameof(Sigma));

    /// <summary>The Euclidean sensitivity.</summary>
    public double Sensitivity { get; init; } = Positive(Sensitivity, nameof(Sensitivity));

    /// <summary>Numbers in the vector.</summary>
    public long Dimension { get; init; } = Dimension >= 1 ? Dimension : throw new ArgumentOutOfRangeException(nameof(Dimension), Dimension, "It must be at least 1.");

    /// <summary>Whether it is one whole number, whose privacy loss is known exactly.</summary>
    internal bool IsCount => Dimension == 1 && double.IsInteger(Sensitivity) && Sensitivity <= int.MaxValue && Sigma <= MostTabled;

    /// <summary>
    /// The noise multiplier of continuous noise that loses at least as much; null where the noise is too narrow for that. Whoever adds N(0, sigma^2 - 16) and then draws a discrete Gaussian of
    /// parameter 4 around the result has drawn from the discrete Gaussian of sigma but for a factor of 1 +- 2^-300 (Peikert 2010, theorem 3.1, with 2 exp(-2 pi^2 12) for the smoothing of Z): it is the
    /// Gaussian mechanism with something done to its result.
    /// </summary>
    internal double? ContinuousNoiseMultiplier => Sigma >= LeastWide ? Math.Sqrt(Sigma * Sigma - 16) / Sensitivity : null;

    // Of a parameter of 8 on, 16 (sigma^2 - 16)/sigma^2 is at least 12.
    private const double LeastWide = 8;

    // Wider noise is not tabulated number by number.
    private const double MostTabled = 1e4;
}
