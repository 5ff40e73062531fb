using System.Text.Json.Serialization;

namespace FedCore.Privacy.Accounting.Events;

/// <summary>
/// What was done to the data, in the terms in which a mechanism is analysed. Ledgers keep events and not epsilons, so that a better accountant can be applied later.
/// Sensitivities are those of one unit's contribution under <see cref="NeighboringRelation.ZeroOut"/>: the clip.
/// </summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "event")]
[JsonDerivedType(typeof(GaussianEvent), "gaussian")]
[JsonDerivedType(typeof(DiscreteGaussianEvent), "discreteGaussian")]
[JsonDerivedType(typeof(DistributedDiscreteGaussianEvent), "distributedDiscreteGaussian")]
[JsonDerivedType(typeof(TreeAggregationEvent), "treeAggregation")]
[JsonDerivedType(typeof(PoissonSampledEvent), "poissonSampled")]
[JsonDerivedType(typeof(FixedSizeSampledEvent), "fixedSizeSampled")]
[JsonDerivedType(typeof(RepeatedEvent), "repeated")]
public abstract record PrivacyEvent
{
    private protected PrivacyEvent()
    {
    }

    /// <summary>This event so many times.</summary>
    /// <param name="count">How often, at least 0.</param>
    /// <returns>The event.</returns>
    public RepeatedEvent Times(long count) => new(this, count);

    private protected static double Positive(double value, string name)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(value, name);
        return double.IsFinite(value) ? value : throw new ArgumentOutOfRangeException(name, value, "It must be finite.");
    }
}
