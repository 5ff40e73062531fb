namespace FedCore.Privacy.Accounting;

/// <summary>
/// Functions that keep their digits near 0, where <see cref="double.ExpM1"/> and <see cref="double.LogP1"/> lose them: to a few units in the last place, by dividing the error of the
/// argument out again (Higham 2002, "Accuracy and stability of numerical algorithms", section 1.14.1).
/// </summary>
internal static class Elementary
{
    /// <summary>e^x - 1.</summary>
    public static double ExpM1(double x)
    {
        double power = Math.Exp(x);
        if (power == 1) return x;
        return power - 1 is -1 or double.PositiveInfinity ? power - 1 : (power - 1) * x / Math.Log(power);
    }

    /// <summary>log(1 + x), for x from -1 on.</summary>
    public static double LogP1(double x)
    {
        double sum = 1 + x;
        return sum == 1 || double.IsPositiveInfinity(x) ? x : x == -1 ? double.NegativeInfinity : Math.Log(sum) * x / (sum - 1);
    }

    /// <summary>log(e^a - e^b) for a at least b; minus infinity where they are the same.</summary>
    public static double LogDifference(double a, double b) => b >= a ? double.NegativeInfinity : double.IsNegativeInfinity(b) ? a : a + Math.Log(-ExpM1(b - a));

    /// <summary>log(1 + e^x).</summary>
    public static double LogOnePlusExp(double x) => x > 40 ? x : LogP1(Math.Exp(x));
}
