using System.Globalization;
using FedCore.Privacy.Accounting;
using FedCore.Privacy.Accounting.Pld;

namespace FedCore.Core.Tests.Privacy.Accounting;

/// <summary>Deltas of one release, from the tests of Google's dp_accounting; sources stand in the rows.</summary>
public class DeltaReferenceTests
{
    [Fact]
    public void Delta_of_one_release_is_the_published_one()
    {
        int compared = 0;
        foreach (string[] row in ReferenceRows.Of("gaussian_delta_reference"))
        {
            double sigma = ReferenceRows.Number(row[1]), epsilon = ReferenceRows.Number(row[6]), expected = ReferenceRows.Number(row[7]);
            LossDirection direction = row[5] == "add" ? LossDirection.Add : LossDirection.Remove;
            double DeltaOf(double noise) => PairOf(row, noise).Delta(direction, epsilon);
            if (row[^1].Contains("from_privacy_parameters", StringComparison.Ordinal))
            {
                // Three places of the noise that has this delta.
                Assert.True(DeltaOf(sigma - 5.1e-4) >= expected && DeltaOf(sigma + 5.1e-4) <= expected, $"{string.Join(',', row)}: {DeltaOf(sigma)}");
            }
            else
            {
                // Seven places are published, of some eight.
                Assert.True(Math.Abs(DeltaOf(sigma) - expected) < 5.1e-8, $"{string.Join(',', row)}: {DeltaOf(sigma)}");
            }

            compared++;
        }

        Assert.Equal(80, compared);
    }

    private static IDominatingPair PairOf(string[] row, double sigma)
    {
        double sensitivity = ReferenceRows.Number(row[2]), q = ReferenceRows.Number(row[3]);
        bool isExchange = row[5] == "replace";
        if (row[0] == "gaussian") return isExchange ? new ExchangedGaussianPair(sigma / sensitivity, q) : new GaussianPair(sigma / sensitivity, q);
        int? truncation = row[4] == "default" ? null : int.Parse(row[4], CultureInfo.InvariantCulture);
        return new DiscreteGaussianPair(new DiscreteGaussianDistribution(sigma, truncation), (long)sensitivity, q, isExchange);
    }
}
