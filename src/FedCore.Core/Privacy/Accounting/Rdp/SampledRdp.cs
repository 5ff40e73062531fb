namespace FedCore.Privacy.Accounting.Rdp;

/// <summary>What sampling makes of any mechanism whose Renyi divergences are bounded, at whole orders; between them by convexity.</summary>
internal static class SampledRdp
{
    /// <summary>
    /// Poisson sampling (Zhu and Wang 2019, theorem 5): (alpha-1) epsilon'(alpha) is at most the logarithm of (1-q)^(alpha-1) (alpha q - q + 1) + C(alpha,2) q^2 (1-q)^(alpha-2) e^epsilon(2)
    /// + 3 sum over l from 3 of C(alpha,l) q^l (1-q)^(alpha-l) e^((l-1) epsilon(l)).
    /// </summary>
    /// <param name="q">The sampling rate, above 0 and below 1.</param>
    /// <param name="mechanism">The mechanism's divergence by order.</param>
    /// <param name="order">The order, above 1.</param>
    public static double Poisson(double q, Func<double, double> mechanism, double order) => Between(order, whole =>
    {
        var sum = new LogSum();
        double logRate = Math.Log(q), logRest = Elementary.LogP1(-q), logBinomial = Math.Log(whole);
        sum.Add((whole - 1) * logRest + Math.Log((whole - 1) * q + 1));
        for (int l = 2; l <= whole; l++)
        {
            logBinomial += Math.Log((whole - l + 1.0) / l);
            sum.Add(logBinomial + l * logRate + (whole - l) * logRest + (l - 1) * mechanism(l) + (l > 2 ? Math.Log(3) : 0));
        }

        return Math.Max(0, sum.Value);
    });

    /// <summary>
    /// Sampling without replacement (Wang, Balle and Kasiviswanathan 2019, theorem 9): (alpha-1) epsilon'(alpha) is at most the logarithm of
    /// 1 + q^2 C(alpha,2) min(4 (e^epsilon(2) - 1), 2 e^epsilon(2)) + 2 sum over j from 3 of q^j C(alpha,j) e^((j-1) epsilon(j)).
    /// </summary>
    /// <param name="q">The share that is sampled, above 0 and below 1.</param>
    /// <param name="mechanism">The mechanism's divergence by order between data sets of which one contribution is another.</param>
    /// <param name="order">The order, above 1.</param>
    public static double WithoutReplacement(double q, Func<double, double> mechanism, double order) => Between(order, whole =>
    {
        var above = new LogSum();
        double logRate = Math.Log(q), logBinomial = Math.Log(whole);
        for (int j = 2; j <= whole; j++)
        {
            logBinomial += Math.Log((whole - j + 1.0) / j);
            double loss = mechanism(j);
            above.Add(logBinomial + j * logRate + (j == 2
                ? Math.Min(Math.Log(4) + Elementary.LogDifference(loss, 0), Math.Log(2) + loss)
                : Math.Log(2) + (j - 1) * loss));
        }

        return Elementary.LogOnePlusExp(above.Value);
    });

    // (alpha - 1) epsilon(alpha) is convex and 0 at order 1 (Wang, Balle and Kasiviswanathan 2019, corollary 10): between whole orders it is below the line.
    private static double Between(double order, Func<int, double> logMoment)
    {
        int below = (int)Math.Floor(order);
        double low = below == 1 ? 0 : logMoment(below), share = order - below;
        return (share == 0 ? low : (1 - share) * low + share * logMoment(below + 1)) / (order - 1);
    }
}
