namespace FedCore.Privacy.Accounting.Events;

/// <summary>
/// All sums of the first steps, released by a binary tree of partial sums each with Gaussian noise (Kairouz et al. 2021, "Practical and private (deep) learning without sampling
/// or shuffling", appendix D): one tree between two restarts.
/// </summary>
/// <param name="NoiseMultiplier">Standard deviation of the noise on each node, over the Euclidean sensitivity of one contribution to one step; above 0.</param>
/// <param name="Steps">Steps of the tree, at least 1.</param>
/// <param name="MaxParticipations">How many steps one unit takes part in at most, at least 1.</param>
/// <param name="MinSeparation">How many steps lie between two of them at least.</param>
public sealed record TreeAggregationEvent(double NoiseMultiplier, int Steps, int MaxParticipations = 1, int MinSeparation = 0) : PrivacyEvent
{
    /// <summary>Standard deviation of the noise on each node over the sensitivity.</summary>
    public double NoiseMultiplier { get; init; } = Positive(NoiseMultiplier, nameof(NoiseMultiplier));

    /// <summary>Steps of the tree.</summary>
    public int Steps { get; init; } = Steps >= 1 ? Steps : throw new ArgumentOutOfRangeException(nameof(Steps), Steps, "It must be at least 1.");

    /// <summary>How many steps one unit takes part in at most.</summary>
    public int MaxParticipations { get; init; } =
        MaxParticipations >= 1 ? MaxParticipations : throw new ArgumentOutOfRangeException(nameof(MaxParticipations), MaxParticipations, "It must be at least 1.");

    /// <summary>How many steps lie between two of them at least.</summary>
    public int MinSeparation { get; init; } = MinSeparation >= 0 ? MinSeparation : throw new ArgumentOutOfRangeException(nameof(MinSeparation), MinSeparation, "It must be at least 0.");

    /// <summary>The noise multiplier of one release of Gaussian noise that protects exactly as much.</summary>
    internal double EquivalentNoiseMultiplier => NoiseMultiplier / Math.Sqrt(TreeSensitivity.Squared(Steps, MaxParticipations, MinSeparation));
}
