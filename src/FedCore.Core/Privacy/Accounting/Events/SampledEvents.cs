namespace FedCore.Privacy.Accounting.Events;

/// <summary>Each unit takes part with a probability, independently of the others, and who does is hidden from the adversary.</summary>
/// <param name="SamplingRate">The probability, from 0 to 1.</param>
/// <param name="Mechanism">What is done to those who take part; not itself sampled or repeated.</param>
public sealed record PoissonSampledEvent(double SamplingRate, PrivacyEvent Mechanism) : PrivacyEvent
{
    /// <summary>The probability.</summary>
    public double SamplingRate { get; init; } =
        SamplingRate is >= 0 and <= 1 ? SamplingRate : throw new ArgumentOutOfRangeException(nameof(SamplingRate), SamplingRate, "It must be from 0 to 1.");

    /// <summary>What is done to those who take part.</summary>
    public PrivacyEvent Mechanism { get; init; } = SampledMechanism.Checked(Mechanism);
}

/// <summary>So many of all units take part, every set of them as likely as another, and who does is hidden from the adversary.</summary>
/// <param name="Population">All units, at least 1.</param>
/// <param name="Sample">How many take part, from 0 to all.</param>
/// <param name="Mechanism">What is done to those who take part; not itself sampled or repeated.</param>
public sealed record FixedSizeSampledEvent(long Population, long Sample, PrivacyEvent Mechanism) : PrivacyEvent
{
    /// <summary>All units.</summary>
    public long Population { get; init; } = Population >= 1 ? Population : throw new ArgumentOutOfRangeException(nameof(Population), Population, "It must be at least 1.");

    /// <summary>How many take part.</summary>
    public long Sample { get; init; } =
        Sample >= 0 && Sample <= Population ? Sample : throw new ArgumentOutOfRangeException(nameof(Sample), Sample, $"It must be from 0 to the population, {Population}.");

    /// <summary>What is done to those who take part.</summary>
    public PrivacyEvent Mechanism { get; init; } = SampledMechanism.Checked(Mechanism);
}

/// <summary>Which mechanisms can be run on a sample.</summary>
file static class SampledMechanism
{
    public static PrivacyEvent Checked(PrivacyEvent mechanism)
    {
        ArgumentNullException.ThrowIfNull(mechanism);
        return mechanism is GaussianEvent or DiscreteGaussianEvent or DistributedDiscreteGaussianEvent
            ? mechanism
            : throw new ArgumentException($"There is no bound for a sampled {mechanism.GetType().Name}.", nameof(mechanism));
    }
}
