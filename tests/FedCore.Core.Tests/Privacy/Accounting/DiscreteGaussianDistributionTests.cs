using FedCore.Privacy.Accounting;

namespace FedCore.Core.Tests.Privacy.Accounting;

public class DiscreteGaussianDistributionTests
{
    [Fact]
    public void Moments_and_tails_are_those_of_a_direct_sum_with_thirty_digits()
    {
        IReadOnlyList<string[]> rows = ReferenceRows.Of("discrete_gaussian_moments");
        Assert.Equal(6, rows.Count);
        foreach (string[] row in rows)
        {
            var distribution = new DiscreteGaussianDistribution(Math.Sqrt(ReferenceRows.Number(row[1])));
            AssertClose(row[2], distribution.NormalizingConstant);
            AssertClose(row[3], distribution.Variance);
            AssertClose(row[4], distribution.Moment(4));
            AssertClose(row[5], distribution.Probability(0));
            AssertClose(row[6], distribution.AtLeast(1));

            // The double-precision value in the last column counts one of the two tails of the narrowest, where hardly anything else is.
            if (row[1] != "0.01") AssertClose(row[7], distribution.Variance);
        }
    }

    [Fact]
    public void Truncated_tails_and_deviation_are_the_published_ones()
    {
        string[][] rows = [.. ReferenceRows.Of("misc_vectors").Where(row => row[0].StartsWith("truncated_dgauss", StringComparison.Ordinal))];
        Assert.Equal(7, rows.Length);
        foreach (string[] row in rows)
        {
            var distribution = new DiscreteGaussianDistribution(ReferenceRows.Parameter(row[1], "sigma"), (int)ReferenceRows.Parameter(row[1], "truncation"));
            double found = row[0] == "truncated_dgauss_std" ? Math.Sqrt(distribution.Variance) : distribution.AtMost(ReferenceRows.Parameter(row[1], "x"));
            Assert.Equal(ReferenceRows.Number(row[2]), found, 1e-7);
        }
    }

    private static void AssertClose(string expected, double found)
    {
        double value = ReferenceRows.Number(expected);
        Assert.InRange(found / value, 1 - 1e-12, 1 + 1e-12);
    }
}
