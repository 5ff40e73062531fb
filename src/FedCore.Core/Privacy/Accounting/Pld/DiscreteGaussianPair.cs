namespace FedCore.Privacy.Accounting.Pld;

/// <summary>Discrete Gaussian noise on a count, also of a Poisson sample: P = (1-q) D(0) + q D(s), Q = D(0), or Q = (1-q) D(0) + q D(-s) where a contribution is exchanged.</summary>
/// <param name="noise">The noise, D(0).</param>
/// <param name="sensitivity">The largest contribution, s.</param>
/// <param name="q">The sampling rate, above 0 and at most 1.</param>
/// <param name="isExchange">Whether a contribution is exchanged rather than zero.</param>
internal sealed class DiscreteGaussianPair(DiscreteGaussianDistribution noise, long sensitivity, double q, bool isExchange) : IDominatingPair
{
    private IEnumerable<(double P, double Q)> Results
    {
        get
        {
            for (long x = -noise.Most - sensitivity; x <= noise.Most + sensitivity; x++)
            {
                double p = Mixed(x, sensitivity), other = isExchange ? Mixed(x, -sensitivity) : noise.Probability(x);
                if (p > 0 || other > 0) yield return (p, other);
            }
        }
    }

    public bool IsSymmetric => isExchange || q == 1;

    public (double Least, double Most) Range
    {
        get
        {
            (double least, double most) = (double.PositiveInfinity, double.NegativeInfinity);
            foreach ((double p, double other) in Results)
            {
                if (p == 0 || other == 0) continue;
                double loss = Math.Log(p) - Math.Log(other);
                (least, most) = (Math.Min(least, loss), Math.Max(most, loss));
            }

            return least <= most ? (least, most) : (0, 0);
        }
    }

    public double Delta(LossDirection direction, double epsilon)
    {
        double factor = Math.Exp(epsilon);
        return Results.Sum(result => Math.Max(0, direction == LossDirection.Remove ? result.P - factor * result.Q : result.Q - factor * result.P));
    }

    public LossIntervals Intervals(double step)
    {
        (double least, double most) = Range;
        long first = (long)Math.Floor(least / step) - 1;
        var intervals = new LossIntervals(step, first, checked((int)((long)Math.Ceiling(most / step) + 1 - first)));
        foreach ((double p, double other) in Results) intervals.Add(p, other);
        return intervals;
    }

    private double Mixed(long x, long shift) => (1 - q) * noise.Probability(x) + q * noise.Probability(x - shift);
}
