namespace FedCore.Privacy.Accounting.Events;

/// <summary>A sum of vectors of integers to each of which its owner added discrete Gaussian noise (Kairouz, Liu and Steinke 2021).</summary>
/// <param name="LocalSigma">The parameter of each owner's noise, above 0, in units of the ring.</param>
/// <param name="Clients">How many added noise that the adversary does not know, at least 1.</param>
/// <param name="Sensitivity">The Euclidean sensitivity of the sum after rounding, above 0, in units of the ring.</param>
/// <param name="Dimension">Numbers in the vector, at least 1.</param>
public sealed record DistributedDiscreteGaussianEvent(double LocalSigma, int Clients, double Sensitivity, long Dimension) : PrivacyEvent
{
    /// <summary>The parameter of each owner's noise.</summary>
    public double LocalSigma { get; init; } = Positive(LocalSigma, nameof(LocalSigma));

    /// <summary>How many added noise.</summary>
    public int Clients { get; init; } = Clients >= 1 ? Clients : throw new ArgumentOutOfRangeException(nameof(Clients), Clients, "It must be at least 1.");

    /// <summary>The Euclidean sensitivity.</summary>
    public double Sensitivity { get; init; } = Positive(Sensitivity, nameof(Sensitivity));

    /// <summary>Numbers in the vector.</summary>
    public long Dimension { get; init; } = Dimension >= 1 ? Dimension : throw new ArgumentOutOfRangeException(nameof(Dimension), Dimension, "It must be at least 1.");

    /// <summary>
    /// How far a sum of discrete Gaussians is from one discrete Gaussian, at most, in each number: 10 sum over k from 1 to n-1 of exp(-2 pi^2 sigma^2 k/(k+1)) (Kairouz, Liu and
    /// Steinke 2021, theorem 1); infinite for many owners with a sigma below 1/2, where the theorem says nothing.
    /// </summary>
    public double Tau
    {
        get
        {
            if (Clients == 1) return 0;
            if (LocalSigma < 0.5) return double.PositiveInfinity;
            double exponent = -2 * Math.PI * Math.PI * LocalSigma * LocalSigma, sum = 0;
            int summed = Math.Min(Clients - 1, MostSummed);
            for (int k = 1; k <= summed; k++) sum += Math.Exp(exponent * k / (k + 1));
            return 10 * (summed < Clients - 1 ? sum + Math.Exp(exponent) * Rest(-exponent, summed + 1.5, Clients + 0.5) : sum);
        }
    }

    /// <summary>
    /// The noise multiplier of Gaussian noise with the same bound on every Renyi divergence: 1/epsilon, where epsilon = Delta/(sqrt(n) sigma) + tau sqrt(d) (the same paper,
    /// proposition 14: concentrated differential privacy of epsilon^2/2).
    /// </summary>
    internal double EquivalentNoiseMultiplier => 1 / (Sensitivity / (Math.Sqrt(Clients) * LocalSigma) + Tau * Math.Sqrt(Dimension));

    // Terms of tau that are added one by one; and what keeps the others' bound above them where it is rounded.
    private const int MostSummed = 4096;
    private const double Upward = 1 + 1e-12;

    // With j = k + 1 the other terms are e^-a e^(a/j). Since e^(a/x) is convex, its value at j is at most its integral from j - 1/2 to j + 1/2, and their sum at most that of all:
    // the integral of 1 + a/x + a^2/(2 x^2) + ..., each term by itself. Of more than 1500 a the factor e^-a, and every term, is 0; otherwise a/x is below 1.
    private static double Rest(double a, double from, double to)
    {
        double sum = to - from + a * Math.Log(to / from), power = a;
        if (a > 1500) return 0;
        for (int i = 2; i < 40; i++)
        {
            power *= a / i;
            double begin = power * Math.Pow(from, 1 - i);
            sum += begin * -Elementary.ExpM1((1 - i) * Math.Log(to / from)) / (i - 1);
            if (begin < 1e-18 * sum) break;
        }

        return Upward * sum;
    }
}
