namespace FedCore.SecureAggregation.Graphs;

/// <summary>
/// Tails of the hypergeometric distribution and ratios of binomial coefficients, by logarithms of factorials: exact to about nine digits, which is as far as a difference of
/// numbers near 10^7 reaches.
/// </summary>
internal sealed class Hypergeometric
{
    // Terms that cannot change a tail any more.
    private const double Negligible = 1e-20;

    private readonly double[] _logFactorials;

    /// <param name="most">The largest population.</param>
    public Hypergeometric(int most)
    {
        _logFactorials = new double[most + 1];

        // Summed with the rounding errors carried along, since a million of them would add up.
        double sum = 0, lost = 0;
        for (int i = 2; i <= most; i++)
        {
            double term = Math.Log(i) - lost, next = sum + term;
            lost = next - sum - term;
            _logFactorials[i] = sum = next;
        }
    }

    /// <summary>The logarithm of C(n, k); minus infinity where k is above n or below 0.</summary>
    public double LogChoose(int n, int k) =>
        k < 0 || k > n ? double.NegativeInfinity : _logFactorials[n] - _logFactorials[k] - _logFactorials[n - k];

    /// <summary>P[X > x] for X the marked ones among <paramref name="drawn"/> of <paramref name="population"/>, of whom <paramref name="marked"/> are marked.</summary>
    public double Above(int x, int population, int marked, int drawn) => Sum(x + 1, 1, population, marked, drawn);

    /// <summary>P[X &lt;= x].</summary>
    public double AtMost(int x, int population, int marked, int drawn) => Sum(x, -1, population, marked, drawn);

    private double Sum(int first, int step, int population, int marked, int drawn)
    {
        double all = LogChoose(population, drawn), sum = 0, last = 0;
        int least = Math.Max(0, drawn - (population - marked)), most = Math.Min(drawn, marked);
        for (int i = step > 0 ? Math.Max(first, least) : Math.Min(first, most); i >= least && i <= most; i += step)
        {
            double term = Math.Exp(LogChoose(marked, i) + LogChoose(population - marked, drawn - i) - all);
            sum += term;
            if (term < last && term <= sum * Negligible) break;
            last = term;
        }

        return sum;
    }
}
