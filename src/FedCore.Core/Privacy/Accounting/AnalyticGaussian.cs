using MathNet.Numerics.RootFinding;

namespace FedCore.Privacy.Accounting;

/// <summary>One release of Gaussian noise, exactly (Balle and Wang 2018, theorem 8). Several are one whose inverse squared noise multiplier is the sum of theirs.</summary>
internal static class AnalyticGaussian
{
    /// <summary>Delta for an epsilon: Phi(1/(2z) - epsilon z) - e^epsilon Phi(-1/(2z) - epsilon z).</summary>
    public static double Delta(double noiseMultiplier, double epsilon)
    {
        double half = 1 / (2 * noiseMultiplier), shift = epsilon * noiseMultiplier;

        // e^epsilon may overflow where the tail beside it underflows: their logarithms do not.
        return Normal.Above(shift - half) - Math.Exp(epsilon + Normal.LogErfc((shift + half) / Math.Sqrt(2)) - Math.Log(2));
    }

    /// <summary>Epsilon for a delta, at least 0.</summary>
    public static double Epsilon(double noiseMultiplier, double delta)
    {
        if (Delta(noiseMultiplier, 0) <= delta) return 0;
        double most = 1;
        while (Delta(noiseMultiplier, most) > delta) most *= 2;
        return Brent.FindRoot(epsilon => Math.Log(Math.Max(Delta(noiseMultiplier, epsilon), double.Epsilon) / delta), 0, most, 1e-12, 200);
    }
}
