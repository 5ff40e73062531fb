namespace FedCore.Privacy.Accounting.Events;

/// <summary>Discrete Gaussian noise on a sum of vectors of integers (Canonne, Kamath and Steinke 2020).</summary>
/// <param name="Sigma">The noise's parameter, above 0: about the standard deviation of the noise on each number.</param>
/// <param name="Sensitivity">The Euclidean sensitivity, above 0, in the same unit.</param>
/// <param name="Dimension">Numbers in the vector, at least 1.</param>
public sealed record DiscreteGaussianEvent(double Sigma, double Sensitivity, long Dimension = 1) : PrivacyEvent
{
    /// <summary>The noise's parameter.</summary>
    public double Sigma { get; } = Positive(Sigma, nameof(Sigma));

    /// <summary>The Euclidean sensitivity.</summary>
    public double Sensitivity { get; } = Positive(Sensitivity, nameof(Sensitivity));

    /// <summary>Numbers in the vector.</summary>
    public long Dimension { get; } = Dimension >= 1 ? Dimension : throw new ArgumentOutOfRangeException(nameof(Dimension), Dimension, "It must be at least 1.");

    /// <summary>Whether it is one whole number, whose privacy loss is known exactly and not only bounded.</summary>
    internal bool IsCount => Dimension == 1 && double.IsInteger(Sensitivity) && Sensitivity <= int.MaxValue;
}
