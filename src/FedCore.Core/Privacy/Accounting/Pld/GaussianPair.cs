namespace FedCore.Privacy.Accounting.Pld;

/// <summary>Gaussian noise on a Poisson sample: P = (1-q) N(0, z^2) + q N(1, z^2), Q = N(0, z^2).</summary>
/// <param name="z">The noise multiplier, above 0.</param>
/// <param name="q">The sampling rate, above 0 and at most 1.</param>
internal sealed class GaussianPair(double z, double q) : IDominatingPair
{
    // Beyond this many standard deviations lies less than e^-50.
    internal const double FarOut = 9.8;

    private readonly double _logRate = Math.Log(q), _logRest = Elementary.LogP1(-q);

    public bool IsSymmetric => q == 1;

    public (double Least, double Most) Range => (Loss(-FarOut * z), Loss(1 + FarOut * z));

    public double Delta(LossDirection direction, double epsilon)
    {
        if (direction == LossDirection.Remove)
        {
            double x = Place(epsilon);
            return q * Normal.Above((x - 1) / z) + ((1 - q) - Math.Exp(epsilon)) * Normal.Above(x / z);
        }

        double below = -Place(-epsilon), rest = 1 - (1 - q) * Math.Exp(epsilon);
        return rest * Normal.Above(below / z) - Math.Exp(epsilon) * q * Normal.Above((below + 1) / z);
    }

    public LossIntervals Intervals(double step)
    {
        (double least, double most) = Range;
        long first = (long)Math.Floor(least / step);
        int count = (int)((long)Math.Ceiling(most / step) - first);
        var intervals = new LossIntervals(step, first, count);
        double from = Place(first * step);
        intervals.Below = Masses(double.NegativeInfinity, from);
        for (int i = 0; i < count; i++)
        {
            double to = Place((first + i + 1) * step);
            (intervals.P[i], intervals.Q[i]) = Masses(from, to);
            from = to;
        }

        intervals.Above = Masses(from, double.PositiveInfinity);
        return intervals;
    }

    private (double P, double Q) Masses(double from, double to)
    {
        double q0 = Normal.Between(from / z, to / z);
        return (q == 1 ? Normal.Between((from - 1) / z, (to - 1) / z) : (1 - q) * q0 + q * Normal.Between((from - 1) / z, (to - 1) / z), q0);
    }

    // log((1-q) + q e^((2x-1)/(2 z^2))).
    private double Loss(double x)
    {
        double ratio = _logRate + (2 * x - 1) / (2 * z * z);
        return ratio > _logRest ? ratio + Elementary.LogP1(Math.Exp(_logRest - ratio)) : _logRest + Elementary.LogP1(Math.Exp(ratio - _logRest));
    }

    // Where the loss is this; minus infinity where it is nowhere so small.
    private double Place(double loss)
    {
        if (loss <= _logRest) return double.NegativeInfinity;
        double logExcess = loss > 1 ? loss + Elementary.LogP1(-Math.Exp(_logRest - loss)) : Math.Log(Elementary.ExpM1(loss) + q);
        return z * z * (logExcess - _logRate) + 0.5;
    }
}
