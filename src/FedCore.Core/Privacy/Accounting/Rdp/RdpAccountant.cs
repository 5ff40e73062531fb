using FedCore.Privacy.Accounting.Events;

namespace FedCore.Privacy.Accounting.Rdp;

/// <summary>Adds up Renyi divergences (Mironov 2017): at each order those of several events are their sum, and any order gives an epsilon, of which the smallest counts.</summary>
/// <param name="relation">Which data sets are neighbours.</param>
/// <param name="orders">Orders above 1; null for <see cref="RenyiOrders.Default"/>.</param>
public sealed class RdpAccountant(NeighboringRelation relation = NeighboringRelation.ZeroOut, IReadOnlyList<double>? orders = null) : PrivacyAccountant(relation)
{
    // Nearer to 1 the conversion loses its digits.
    private const double LeastOrder = 1.01;

    private readonly IReadOnlyList<double> _orders = orders ?? RenyiOrders.Default;

    /// <summary>The orders.</summary>
    public IReadOnlyList<double> Orders => _orders;

    /// <summary>The Renyi divergence of everything that was recorded, at most.</summary>
    /// <param name="order">The order, above 1.</param>
    /// <returns>The divergence, at least 0.</returns>
    public double Divergence(double order)
    {
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(order, 1);
        return Events.Sum(entry => entry.Value * At(entry.Key, order));
    }

    private protected override string? FaultIn(PrivacyEvent happened) => Relation == NeighboringRelation.ReplaceOne && happened is PoissonSampledEvent { SamplingRate: < 1 }
        ? "There is no bound by Renyi divergences for Poisson sampling where a contribution is exchanged for another. Use the PLD accountant, or the relation zeroOut."
        : null;

    // Canonne, Kamath and Steinke 2020, proposition 12; where the divergence is small, 1 - e^-divergence bounds the squared total variation (Bretagnolle and Huber 1979).
    private protected override double EpsilonOf(double delta)
    {
        double best = double.PositiveInfinity;
        foreach (double order in _orders)
        {
            if (order <= LeastOrder) continue;
            double divergence = Divergence(order);
            if (delta * delta + Elementary.ExpM1(-divergence) >= 0) return 0;
            best = Math.Min(best, divergence + Elementary.LogP1(-1 / order) - Math.Log(delta * order) / (order - 1));
        }

        return Math.Max(0, best);
    }

    private protected override double DeltaOf(double epsilon)
    {
        double best = 0;
        foreach (double order in _orders)
        {
            if (order <= LeastOrder) continue;
            double divergence = Divergence(order);
            best = Math.Min(best, Math.Log(-Elementary.ExpM1(-divergence)) / 2);
            best = Math.Min(best, (order - 1) * (divergence - epsilon + Elementary.LogP1(-1 / order)) - Math.Log(order));
        }

        return Math.Exp(best);
    }

    private double At(PrivacyEvent happened, double order) => happened switch
    {
        PoissonSampledEvent { SamplingRate: 1 } all => At(all.Mechanism, order),
        PoissonSampledEvent { Mechanism: GaussianEvent gaussian } sampled => PoissonGaussianRdp.At(sampled.SamplingRate, gaussian.NoiseMultiplier, order),
        PoissonSampledEvent sampled => Math.Min(
            Gaussian(EquivalentNoiseMultiplier(sampled.Mechanism) / SensitivityFactor, order),
            SampledRdp.Poisson(sampled.SamplingRate, Mechanism(sampled.Mechanism, 1), order)),
        FixedSizeSampledEvent sampled when sampled.Sample == sampled.Population => At(sampled.Mechanism, order),

        // Which other contribution stands in the sample in one's place differs too: the mechanism's bound is that of an exchange, whatever the relation.
        FixedSizeSampledEvent sampled => Math.Min(
            Gaussian(EquivalentNoiseMultiplier(sampled.Mechanism) / SensitivityFactor, order),
            SampledRdp.WithoutReplacement((double)sampled.Sample / sampled.Population, Mechanism(sampled.Mechanism, 2), order)),
        _ => Gaussian(EquivalentNoiseMultiplier(happened) / SensitivityFactor, order),
    };

    private static Func<double, double> Mechanism(PrivacyEvent mechanism, double sensitivityFactor)
    {
        double noiseMultiplier = EquivalentNoiseMultiplier(mechanism) / sensitivityFactor;
        return order => Gaussian(noiseMultiplier, order);
    }

    private static double Gaussian(double noiseMultiplier, double order) => order / (2 * noiseMultiplier * noiseMultiplier);

    // Of each: the noise multiplier of Gaussian noise with the same Renyi divergences, or at least as large ones. For the discrete Gaussian: Canonne, Kamath and Steinke 2020, theorem 14.
    internal static double EquivalentNoiseMultiplier(PrivacyEvent happened) => happened switch
    {
        GaussianEvent gaussian => gaussian.NoiseMultiplier,
        DiscreteGaussianEvent discrete => discrete.Sigma / discrete.Sensitivity,
        DistributedDiscreteGaussianEvent distributed => distributed.EquivalentNoiseMultiplier,
        TreeAggregationEvent tree => tree.EquivalentNoiseMultiplier,
        _ => throw new NotSupportedException($"There is no bound for {happened.GetType().Name}."),
    };
}
