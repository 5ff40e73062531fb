namespace FedCore.Privacy.Accounting;

/// <summary>
/// The discrete Gaussian distribution over the integers, P[X = x] proportional to exp(-x^2/(2 sigma^2)) (Canonne, Kamath and Steinke 2020, definition 1): what samplers are tested
/// against and privacy losses computed from. Sampling itself never comes here.
/// </summary>
internal sealed class DiscreteGaussianDistribution
{
    // Beyond 12 sigma lies less than 4e-33 of the mass.
    private const double FarOut = 12;

    private readonly double[] _above;

    /// <param name="sigma">The parameter, above 0.</param>
    /// <param name="truncation">The largest magnitude; null for as far as mass can be told from none.</param>
    public DiscreteGaussianDistribution(double sigma, int? truncation = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(sigma);
        Sigma = sigma;
        Most = truncation ?? (int)Math.Ceiling(FarOut * sigma) + 1;

        // The weights of x and everything above it, from the smallest up.
        _above = new double[Most + 2];
        for (int x = Most; x >= 0; x--) _above[x] = _above[x + 1] + Weight(x);
        NormalizingConstant = _above[0] + _above[1];
    }

    /// <summary>The parameter.</summary>
    public double Sigma { get; }

    /// <summary>The largest magnitude.</summary>
    public int Most { get; }

    /// <summary>The sum of exp(-x^2/(2 sigma^2)).</summary>
    public double NormalizingConstant { get; }

    /// <summary>The second moment, which is the variance.</summary>
    public double Variance => Moment(2);

    /// <summary>P[X = x].</summary>
    public double Probability(long x) => Math.Abs(x) > Most ? 0 : Weight(x) / NormalizingConstant;

    /// <summary>P[X >= x].</summary>
    public double AtLeast(long x) => x > Most ? 0 : x > 0 ? _above[x] / NormalizingConstant : 1 - AtLeast(1 - x);

    /// <summary>P[X &lt;= x].</summary>
    public double AtMost(double x) => AtLeast((long)-Math.Floor(Math.Clamp(x, -Most - 1.0, Most)));

    /// <summary>The mean of X to an even power.</summary>
    public double Moment(int power)
    {
        double sum = 0;
        for (int x = Most; x > 0; x--) sum += Math.Pow(x, power) * Weight(x);
        return 2 * sum / NormalizingConstant;
    }

    private double Weight(long x) => Math.Exp(-(x / Sigma) * (x / Sigma) / 2);
}
