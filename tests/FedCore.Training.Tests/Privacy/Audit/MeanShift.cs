using FedCore.Privacy.Accounting.Events;
using FedCore.Privacy.Accounting.Pld;

namespace FedCore.Training.Tests.Privacy.Audit;

/// <summary>
/// How far what is seen of canaries that are there lies from what is seen of those that are not, in deviations of the noise: for Gaussian noise all that there is to be seen (Dong, Roth and Su 2022,
/// "Gaussian differential privacy", whose mu it is).
/// </summary>
/// <param name="Value">The estimate.</param>
/// <param name="Error">Its standard error.</param>
internal sealed record MeanShift(double Value, double Error)
{
    // Of a 95 % interval.
    private const double Errors = 1.96;

    public double Low => Value - Errors * Error;

    public double High => Value + Errors * Error;

    /// <summary>Estimates the shift. The deviation is that of canaries which are not there, so that its error is the one of Hedges (1981), for the group whose deviation counts.</summary>
    public static MeanShift Of(double[] seen, bool[] isIn)
    {
        double[] present = [.. seen.Where((_, i) => isIn[i])], absent = [.. seen.Where((_, i) => !isIn[i])];
        double mean = absent.Average(), deviation = Math.Sqrt(absent.Sum(value => (value - mean) * (value - mean)) / (absent.Length - 1));
        double shift = (present.Average() - mean) / deviation;
        return new MeanShift(shift, Math.Sqrt(1.0 / present.Length + 1.0 / absent.Length + shift * shift / (2.0 * absent.Length)));
    }

    /// <summary>The epsilon of a Gaussian mechanism with a shift.</summary>
    public static double EpsilonOf(double shift, double delta)
    {
        if (shift <= 0) return 0;
        if (!double.IsFinite(shift) || shift > 100) return double.PositiveInfinity;
        var accountant = new PldAccountant();
        accountant.Record(new GaussianEvent(1 / shift));
        return accountant.Epsilon(delta);
    }
}
