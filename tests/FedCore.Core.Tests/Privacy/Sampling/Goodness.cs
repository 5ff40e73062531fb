namespace FedCore.Core.Tests.Privacy.Sampling;

/// <summary>Whether draws fit a distribution, by Pearson's chi-square test.</summary>
internal static class Goodness
{
    // Cells with fewer expected draws than this are one with all beyond them.
    private const double LeastExpected = 20;

    /// <summary>Fails where draws do not fit twice in a row: once in 30,000 fair tests either does not, and both once in 10^9.</summary>
    /// <param name="draw">Draws a number.</param>
    /// <param name="probability">The probability of each number.</param>
    /// <param name="most">The largest magnitude that has one.</param>
    /// <param name="draws">How often to draw.</param>
    public static void AssertFits(Func<long> draw, Func<long, double> probability, int most, int draws)
    {
        (double statistic, double limit) = Test(draw, probability, most, draws);
        if (statistic > limit) (statistic, limit) = Test(draw, probability, most, draws);
        Assert.True(statistic <= limit, $"{statistic} is above {limit}");
    }

    /// <summary>Pearson's statistic and what a fair draw exceeds once in 30,000 times.</summary>
    public static (double Statistic, double Limit) Test(Func<long> draw, Func<long, double> probability, int most, int draws)
    {
        int edge = 0;
        while (edge < most && probability(edge + 1) * draws >= LeastExpected) edge++;
        double[] expected = [.. Enumerable.Range(-edge, 2 * edge + 1).Select(x => probability(x) * draws)];
        int[] counts = new int[expected.Length + 2];
        for (int i = 0; i < draws; i++) counts[Math.Clamp(draw(), -edge - 1, edge + 1) + edge + 1]++;
        double tail = Math.Max(0, (draws - expected.Sum()) / 2), statistic = 0;
        int cells = 0;
        for (int i = 0; i < expected.Length; i++)
        {
            if (expected[i] == 0)
            {
                Assert.Equal(0, counts[i + 1]);
                continue;
            }

            statistic += Math.Pow(counts[i + 1] - expected[i], 2) / expected[i];
            cells++;
        }

        if (2 * tail >= 1)
        {
            // Both tails are one cell, so that it is not too small.
            statistic += Math.Pow(counts[0] + counts[^1] - 2 * tail, 2) / (2 * tail);
            cells++;
        }
        else Assert.InRange(counts[0] + counts[^1], 0, 20);

        return (statistic, Statistics.ChiSquareLimit(Math.Max(1, cells - 1)));
    }
}
