namespace FedCore.Privacy.Accounting.Pld;

/// <summary>Gaussian noise on a Poisson sample in which a contribution is exchanged: P = (1-q) N(0, z^2) + q N(1, z^2), Q = (1-q) N(0, z^2) + q N(-1, z^2).</summary>
/// <param name="z">Standard deviation of the noise over the largest norm of one contribution, above 0.</param>
/// <param name="q">The sampling rate, above 0 and at most 1.</param>
internal sealed class ExchangedGaussianPair(double z, double q) : IDominatingPair
{
    public bool IsSymmetric => true;

    public (double Least, double Most) Range => (-Loss(1 + GaussianPair.FarOut * z), Loss(1 + GaussianPair.FarOut * z));

    public double Delta(LossDirection direction, double epsilon)
    {
        double x = Place(epsilon);
        return (1 - q) * -Elementary.ExpM1(epsilon) * Normal.Above(x / z) + q * (Normal.Above((x - 1) / z) - Math.Exp(epsilon) * Normal.Above((x + 1) / z));
    }

    public LossIntervals Intervals(double step)
    {
        (_, double most) = Range;
        long end = (long)Math.Ceiling(most / step);
        var intervals = new LossIntervals(step, -end, checked((int)(2 * end)));
        double from = Place(-end * step);
        intervals.Below = Masses(double.NegativeInfinity, from);
        for (int i = 0; i < intervals.P.Length; i++)
        {
            double to = Place((i + 1 - end) * step);
            (intervals.P[i], intervals.Q[i]) = Masses(from, to);
            from = to;
        }

        intervals.Above = Masses(from, double.PositiveInfinity);
        return intervals;
    }

    private (double P, double Q) Masses(double from, double to)
    {
        double both = q == 1 ? 0 : (1 - q) * Normal.Between(from / z, to / z);
        return (both + q * Normal.Between((from - 1) / z, (to - 1) / z), both + q * Normal.Between((from + 1) / z, (to + 1) / z));
    }

    private double Loss(double x) => LogMixture(x) - LogMixture(-x);

    private double LogMixture(double x)
    {
        double rest = Elementary.LogP1(-q), ratio = Math.Log(q) + (2 * x - 1) / (2 * z * z);
        return Math.Max(rest, ratio) + Elementary.LogP1(Math.Exp(-Math.Abs(rest - ratio)));
    }

    // With u = e^(x/z^2) and c = q e^(-1/(2 z^2)), the loss is epsilon where c u^2 - (1-q)(e^epsilon - 1) u - e^epsilon c = 0; all is divided by e^(epsilon/2), which may overflow.
    private double Place(double loss)
    {
        if (loss < 0) return -Place(-loss);
        double half = (1 - q) * Math.Sinh(loss / 2), c = q * Math.Exp(-1 / (2 * z * z));
        double logRoot = half > 0 && half / c > 1e8 ? Math.Log(2 * half) : Math.Log(half + Math.Sqrt(half * half + c * c));
        return z * z * (loss / 2 + logRoot - Math.Log(q) + 1 / (2 * z * z));
    }
}
