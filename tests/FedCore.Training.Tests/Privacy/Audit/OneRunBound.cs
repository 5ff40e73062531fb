using MathNet.Numerics;

namespace FedCore.Training.Tests.Privacy.Audit;

/// <summary>What one run shows of epsilon without knowing anything of the mechanism (Steinke, Nasr and Jagielski 2023, "Privacy auditing with one (1) training run", theorem 5.2).</summary>
internal static class OneRunBound
{
    /// <summary>An epsilon that the mechanism has at least.</summary>
    /// <param name="seen">What is seen of each canary: the larger, the likelier it is there.</param>
    /// <param name="isIn">Which are there.</param>
    /// <param name="guesses">For how many a guess is made: the largest half of them are taken to be there, the smallest half not. Chosen beforehand.</param>
    /// <param name="delta">The mechanism's delta.</param>
    /// <param name="beta">How often the bound may be wrong.</param>
    public static double Epsilon(double[] seen, bool[] isIn, int guesses, double delta, double beta)
    {
        int[] order = [.. Enumerable.Range(0, seen.Length).OrderBy(i => seen[i])];
        int half = guesses / 2, right = order[..half].Count(i => !isIn[i]) + order[^half..].Count(i => isIn[i]);
        (double low, double high) = (0, 50);
        while (high - low > 1e-4)
        {
            double middle = (low + high) / 2;
            if (Chance(seen.Length, 2 * half, right, middle, delta) < beta) low = middle;
            else high = middle;
        }

        return low;
    }

    /// <summary>How likely so many right guesses are at most, if the mechanism keeps to an epsilon and a delta.</summary>
    public static double Chance(int canaries, int guesses, int right, double epsilon, double delta)
    {
        double q = 1 / (1 + Math.Exp(-epsilon)), tail = 0, below = 0, most = 0;
        for (int k = right; k <= guesses; k++) tail += Binomial(guesses, k, q);
        for (int i = 1; i <= right; i++) most = Math.Max(most, (below += Binomial(guesses, right - i, q)) / i);
        return Math.Min(1, tail + 2 * canaries * delta * most);
    }

    private static double Binomial(int n, int k, double q) =>
        Math.Exp(SpecialFunctions.FactorialLn(n) - SpecialFunctions.FactorialLn(k) - SpecialFunctions.FactorialLn(n - k) + k * Math.Log(q) + (n - k) * Math.Log(1 - q));
}
