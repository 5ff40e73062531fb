using MathNet.Numerics;

namespace FedCore.Privacy.Accounting;

/// <summary>The normal distribution where its tails matter.</summary>
internal static class Normal
{
    // Above this erfc is near the smallest double, and its asymptotic series exact.
    private const double FarOut = 20;

    /// <summary>P[X > x] for a standard normal X; exact to a few units in the last place also where it is tiny.</summary>
    public static double Above(double x) => SpecialFunctions.Erfc(x / Math.Sqrt(2)) / 2;

    /// <summary>P[a &lt; X &lt; b] for a standard normal X, from the tail in which the interval lies.</summary>
    public static double Between(double a, double b) => a >= b ? 0 : a + b > 0 ? Above(a) - Above(b) : Above(-b) - Above(-a);

    /// <summary>The logarithm of erfc(x), also where erfc underflows (Abramowitz and Stegun 1964, 7.1.23).</summary>
    public static double LogErfc(double x)
    {
        if (x <= FarOut) return Math.Log(SpecialFunctions.Erfc(x));
        double r = 1 / (2 * x * x);
        return -x * x - Math.Log(x * Math.Sqrt(Math.PI)) + Elementary.LogP1(-r * (1 - 3 * r * (1 - 5 * r * (1 - 7 * r))));
    }
}
