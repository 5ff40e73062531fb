using FedCore.Privacy.Accounting.Events;

namespace FedCore.Privacy.Accounting.Pld;

/// <summary>
/// Adds up distributions of the privacy loss, rounded so that no delta is understated; removing and adding a contribution are reckoned apart, and the larger epsilon counts. A single
/// event, and any number of unsampled Gaussians, are exact.
/// </summary>
/// <param name="relation">Which data sets are neighbours.</param>
public sealed class PldAccountant(NeighboringRelation relation = NeighboringRelation.ZeroOut) : PrivacyAccountant(relation)
{
    // The step of losses; in standard deviations of one loss, between what is fine enough for rounding to change the sum's variance by hundred-thousandths, and what is too coarse.
    private const double Step = 1e-4, FineEnough = 1.0 / 100, TooCoarse = 1.0 / 5;

    // The most losses that one distribution has.
    private const double MostLosses = 1 << 22;

    private protected override string? FaultIn(PrivacyEvent happened) => (happened is PoissonSampledEvent sampled ? sampled.Mechanism : happened) switch
    {
        DistributedDiscreteGaussianEvent or DiscreteGaussianEvent { IsCount: false, ContinuousNoiseMultiplier: null } =>
            "The privacy loss of sums of discrete Gaussians, and of narrow ones on vectors, is bounded, but not known. Use the RDP accountant.",
        FixedSizeSampledEvent => "The privacy loss of sampling without replacement is bounded, but not known. Use the RDP accountant.",
        _ => null,
    };

    private protected override double EpsilonOf(double delta)
    {
        if (ParticipationProbability <= delta) return 0;
        (double noise, List<(IDominatingPair Pair, long Count)> pairs) = Pairs();
        if (pairs.Count == 0) return AnalyticGaussian.Epsilon(noise, delta);
        if (pairs is [(IDominatingPair only, 1)] && double.IsPositiveInfinity(noise)) return Directions([only]).Max(direction => ExactEpsilon(only, direction, delta));
        return Sums(noise, pairs).Max(sum => sum.Epsilon(delta));
    }

    private protected override double DeltaOf(double epsilon)
    {
        (double noise, List<(IDominatingPair Pair, long Count)> pairs) = Pairs();
        if (pairs.Count == 0) return AnalyticGaussian.Delta(noise, epsilon);
        if (pairs is [(IDominatingPair only, 1)] && double.IsPositiveInfinity(noise)) return Directions([only]).Max(direction => only.Delta(direction, epsilon));
        return Sums(noise, pairs).Max(sum => sum.Delta(epsilon));
    }

    // Whoever is in no sample leaves the results as they are: no matter how little noise there is, they differ at most where one is.
    private double ParticipationProbability =>
        -Elementary.ExpM1(Events.Sum(entry => entry.Value * (entry.Key is PoissonSampledEvent sampled ? Elementary.LogP1(-sampled.SamplingRate) : double.NegativeInfinity)));

    // All unsampled Gaussians are one, whose inverse squared noise multiplier is the sum of theirs; its noise multiplier is infinite where there are none.
    private (double Noise, List<(IDominatingPair Pair, long Count)> Others) Pairs()
    {
        double inverse = 0;
        var others = new List<(IDominatingPair, long)>();
        bool isExchange = Relation == NeighboringRelation.ReplaceOne;
        foreach ((PrivacyEvent happened, long count) in Events)
        {
            (PrivacyEvent mechanism, double q) = happened is PoissonSampledEvent sampled ? (sampled.Mechanism, sampled.SamplingRate) : (happened, 1);
            if (mechanism is DiscreteGaussianEvent { IsCount: true } discrete)
                others.Add((new DiscreteGaussianPair(new DiscreteGaussianDistribution(discrete.Sigma), (long)discrete.Sensitivity, q, isExchange), count));
            else
            {
                double z = mechanism switch
                {
                    TreeAggregationEvent tree => tree.EquivalentNoiseMultiplier,
                    DiscreteGaussianEvent wide => wide.ContinuousNoiseMultiplier!.Value,
                    _ => ((GaussianEvent)mechanism).NoiseMultiplier,
                };
                if (q == 1) inverse += count * Math.Pow(SensitivityFactor / z, 2);
                else others.Add((isExchange ? new ExchangedGaussianPair(z, q) : new GaussianPair(z, q), count));
            }
        }

        return (1 / Math.Sqrt(inverse), others);
    }

    private static IEnumerable<LossDistribution> Sums(double noise, List<(IDominatingPair Pair, long Count)> pairs)
    {
        if (double.IsFinite(noise)) pairs.Add((new GaussianPair(noise, 1), 1));
        double step = StepOf(pairs);
        LossIntervals[] intervals = [.. pairs.Select(pair => pair.Pair.Intervals(step))];
        return Directions(pairs.Select(pair => pair.Pair)).Select(direction => LossComposition.Sum(Rounded(intervals, pairs, direction)));
    }

    private static double StepOf(List<(IDominatingPair Pair, long Count)> pairs)
    {
        double least = pairs.Max(pair => pair.Pair.Range.Most - pair.Pair.Range.Least) / MostLosses, step = Math.Max(Step, least);
        for (int attempt = 0; ; attempt++)
        {
            LossIntervals[] intervals = [.. pairs.Select(pair => pair.Pair.Intervals(step))];
            List<(LossDistribution Loss, long Count)> losses = Rounded(intervals, pairs, LossDirection.Remove);
            double deviation = Math.Sqrt(losses.Sum(loss => loss.Count * loss.Loss.Variance) / losses.Sum(loss => (double)loss.Count));

            // The deviation is itself of rounded losses, and a little too large where the step is too coarse for it.
            double wanted = Math.Max(least, Math.Clamp(Step, FineEnough * deviation, TooCoarse * deviation));
            if (attempt < 3 && !(step / wanted is > 0.7 and < 1.1))
            {
                step = wanted;
                continue;
            }

            double length = Directions(pairs.Select(pair => pair.Pair)).Max(direction => LossComposition.WindowLength(Rounded(intervals, pairs, direction)));
            if (length <= MostLosses) return step;
            step *= Math.Pow(2, Math.Ceiling(Math.Log2(length / MostLosses)));
            attempt = 3;
        }
    }

    private static List<(LossDistribution, long)> Rounded(LossIntervals[] intervals, List<(IDominatingPair Pair, long Count)> pairs, LossDirection direction) =>
        [.. intervals.Zip(pairs, (interval, pair) => (interval.Round(direction), pair.Count))];

    private static LossDirection[] Directions(IEnumerable<IDominatingPair> pairs) =>
        pairs.All(pair => pair.IsSymmetric) ? [LossDirection.Remove] : [LossDirection.Remove, LossDirection.Add];

    // The delta of one event falls with epsilon: by bisection, from above.
    private static double ExactEpsilon(IDominatingPair pair, LossDirection direction, double delta)
    {
        if (pair.Delta(direction, 0) <= delta) return 0;
        double low = 0, high = 1;
        while (pair.Delta(direction, high) > delta)
        {
            if (high > 1e6) return double.PositiveInfinity;
            (low, high) = (high, 2 * high);
        }

        while (high - low > 1e-12 * Math.Max(1, high))
        {
            double middle = (low + high) / 2;
            if (middle <= low || middle >= high) break;
            if (pair.Delta(direction, middle) > delta) low = middle;
            else high = middle;
        }

        return high;
    }
}
