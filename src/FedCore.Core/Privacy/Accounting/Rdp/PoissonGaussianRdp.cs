namespace FedCore.Privacy.Accounting.Rdp;

/// <summary>
/// Renyi divergences of Gaussian noise on a Poisson sample (Mironov, Talwar and Zhang 2019, section 3.3). With A the moment of order alpha of the ratio of the mixture
/// (1-q) N(0, z^2) + q N(1, z^2) to N(0, z^2), the divergence is log(A)/(alpha - 1); it bounds the other direction too (the same paper, theorem 5).
/// </summary>
internal static class PoissonGaussianRdp
{
    // Terms of the fractional series that are smaller than this, as logarithms, count no more.
    private const double Negligible = -45;

    /// <summary>The divergence.</summary>
    /// <param name="q">The sampling rate, above 0 and below 1.</param>
    /// <param name="z">The noise multiplier, above 0.</param>
    /// <param name="order">The order, above 1.</param>
    public static double At(double q, double z, double order) =>
        (double.IsInteger(order) ? WholeMoment(q, z, (int)order) : FractionalMoment(q, z, order)) / (order - 1);

    // log A for a whole order. The binomial distribution sums to 1, so that A - 1 is a sum of what is above 1, which loses no digits where A is hardly above 1 (equation 7).
    private static double WholeMoment(double q, double z, int order)
    {
        var above = new LogSum();
        double logRate = Math.Log(q), logRest = Elementary.LogP1(-q), logBinomial = Math.Log(order);
        for (int k = 2; k <= order; k++)
        {
            logBinomial += Math.Log((order - k + 1.0) / k);
            double exponent = k * (k - 1.0) / (2 * z * z);
            above.Add(logBinomial + k * logRate + (order - k) * logRest + Elementary.LogDifference(exponent, 0));
        }

        return Elementary.LogOnePlusExp(above.Value);
    }

    // log A for any order, as two series that meet where both parts of the mixture are as likely (section 3.3, "Fractional alpha"). Beyond the order the binomial coefficients alternate in
    // sign; all count as positive, as in Google's dp_accounting, which is an upper bound and loses no digits to cancellation. log A is convex in the order and 0 at order 1, so that it is also below
    // the line between whole orders: of much noise on large samples the series is above that after a few terms, and would go on for millions.
    private static double FractionalMoment(double q, double z, double order)
    {
        int floor = (int)Math.Floor(order);
        double atFloor = floor == 1 ? 0 : WholeMoment(q, z, floor), line = atFloor + (order - floor) * (WholeMoment(q, z, floor + 1) - atFloor);
        var sum = new LogSum();
        double logRate = Math.Log(q), logRest = Elementary.LogP1(-q), middle = z * z * (logRest - logRate) + 0.5, width = Math.Sqrt(2) * z, logBinomial = 0;
        for (int i = 0; ; i++)
        {
            double j = order - i;
            double below = logBinomial + i * logRate + j * logRest + i * (i - 1.0) / (2 * z * z) + Normal.LogErfc((i - middle) / width) - Math.Log(2);
            double above = logBinomial + j * logRate + i * logRest + j * (j - 1) / (2 * z * z) + Normal.LogErfc((middle - j) / width) - Math.Log(2);
            sum.Add(below);
            sum.Add(above);
            if (sum.Value >= line) return line;
            if (i > order && Math.Max(below, above) < Negligible) return Math.Max(0, sum.Value);
            logBinomial += Math.Log(Math.Abs(j / (i + 1)));
        }
    }
}
