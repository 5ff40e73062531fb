using FedCore.Numerics;
using FedCore.Rounds;
using FedCore.Updates;

namespace FedCore.Core.Tests.Rounds;

public class ClientDistributionTests
{
    // Twenty clients in bins of a tenth: two of 0.1, six of 0.5, ten of 0.8, two of 1. A tenth of them are two.
    [Fact]
    public void Figures_are_those_of_the_sorted_clients()
    {
        ClientDistribution found = From(0, 2, 0, 0, 0, 6, 0, 0, 10, 0, 2)!;
        Assert.Equal((0.1, 0.8, 1), (found.Worst10, found.Median, found.Best10));
        Assert.Equal([0, 2, 0, 0, 0, 6, 0, 0, 10, 0, 2], found.Clients);
    }

    [Fact]
    public void The_median_of_an_even_number_lies_between_the_two_in_the_middle() => Assert.Equal(0.4, From(0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0)!.Median, 1e-12);

    // Eleven clients: a tenth of them is rounded up to two.
    [Fact]
    public void A_tenth_is_rounded_up() => Assert.Equal(0.15, From(0, 1, 1, 0, 0, 9, 0, 0, 0, 0, 0)!.Worst10, 1e-12);

    [Fact]
    public void One_client_is_its_own_worst_median_and_best()
    {
        ClientDistribution found = From(0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0)!;
        Assert.Equal((0.3, 0.3, 0.3), (found.Worst10, found.Median, found.Best10));
    }

    [Fact]
    public void Without_clients_there_is_no_distribution() => Assert.Null(From(new double[11]));

    [Theory]
    [InlineData(0, 0)]
    [InlineData(1, 10)]
    [InlineData(0.449, 4)]
    [InlineData(0.451, 5)]
    [InlineData(double.NaN, 0)]
    public void A_share_counts_in_the_nearest_bin(double share, int bin) => Assert.Equal(bin, new DistributionPlan { Bins = 10 }.BinOf(share));

    private static ClientDistribution? From(params double[] counts)
    {
        var layout = new UpdateLayout(new Section("h", SectionRole.Indicator, counts.Length));
        using var none = new FlatVector(0);
        return ClientDistribution.From(new UpdateSum(layout, none, counts, 1), "h");
    }
}
