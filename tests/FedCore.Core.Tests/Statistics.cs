using FedCore.Numerics;

namespace FedCore.Core.Tests;

/// <summary>Tests of distributions. Keys are fixed, so a test that passes once passes always; limits are those of a fair draw.</summary>
internal static class Statistics
{
    /// <summary>Pearson's statistic against equal expected counts.</summary>
    public static double ChiSquare(IReadOnlyCollection<int> counts)
    {
        double expected = counts.Sum() / (double)counts.Count;
        return counts.Sum(count => (count - expected) * (count - expected) / expected);
    }

    /// <summary>What a chi-square number with so many degrees of freedom exceeds once in 30,000 draws (z = 4; Wilson and Hilferty 1931).</summary>
    public static double ChiSquareLimit(int degrees)
    {
        double spread = 2.0 / (9 * degrees);
        return degrees * Math.Pow(1 - spread + 4 * Math.Sqrt(spread), 3);
    }

    /// <summary>Fails where counts are not as even as a fair draw makes them.</summary>
    public static void AssertEven(IReadOnlyCollection<int> counts) => Assert.InRange(ChiSquare(counts), 0, ChiSquareLimit(counts.Count - 1));

    /// <summary>A stream that is the same in every run of the tests.</summary>
    public static RandomStream Stream(string purpose, long seed = 1) => new RandomKeys("tests"u8, seed).Stream(purpose);
}
