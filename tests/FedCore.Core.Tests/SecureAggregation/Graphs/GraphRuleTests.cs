using System.Globalization;
using FedCore.SecureAggregation.Graphs;
using FedCore.Tests;

namespace FedCore.Core.Tests.SecureAggregation.Graphs;

public class GraphRuleTests
{
    // The rows are those of Google's own test of its parameter finder; which comparison holds stands in the row.
    [Fact]
    public void Degree_and_threshold_are_those_of_the_published_table()
    {
        string[] rows = File.ReadAllLines(SharedData.Require("vectors/secagg_graph_params.csv"));
        int compared = 0;
        foreach (string[] row in rows.Skip(1).Select(row => row.Split(',')))
        {
            int clients = int.Parse(row[0], CultureInfo.InvariantCulture);
            double adversarial = double.Parse(row[1], CultureInfo.InvariantCulture), dropout = double.Parse(row[2], CultureInfo.InvariantCulture);
            Adversary adversary = row[3] switch { "NONE" => Adversary.None, "CURIOUS_SERVER" => Adversary.Curious, _ => Adversary.SplitView };
            GraphParameters Find() => new GraphRule(clients, adversarial, dropout, adversary).Sparse();
            if (row[9] == "must be rejected")
            {
                Assert.Equal("secagg.parameters", Assert.Throws<FedCoreException>(() => Find()).Code);
            }
            else
            {
                Assert.Equal("degree == expected; threshold <= expected", row[9]);
                GraphParameters found = Find();
                Assert.True(found.Degree.ToString(CultureInfo.InvariantCulture) == row[4], $"{string.Join(',', row)}: {found}");
                Assert.InRange(found.Threshold, 2, int.Parse(row[5], CultureInfo.InvariantCulture));
            }

            compared++;
        }

        Assert.Equal(53, compared);
    }

    // Bonawitz et al. 2017, section 6.2: two thirds and one more.
    [Theory]
    [InlineData(3, 3)]
    [InlineData(4, 3)]
    [InlineData(5, 4)]
    [InlineData(30, 21)]
    [InlineData(99, 67)]
    public void Below_a_hundred_clients_everybody_is_a_neighbour_and_two_thirds_are_a_threshold(int clients, int threshold) =>
        Assert.Equal(new GraphParameters(clients - 1, threshold), new GraphRule(clients, 0, 0, Adversary.SplitView).Choose());

    // The limit on both rates together is one of random graphs.
    [Fact]
    public void In_a_complete_graph_the_threshold_says_how_many_may_vanish() => Assert.Contains(
        "14 of 20 clients must stay, so 6 may be lost", Assert.Throws<FedCoreException>(() => new GraphRule(20, 0.05, 0.45, Adversary.SplitView).Choose()).Message, StringComparison.Ordinal);

    [Fact]
    public void More_dropouts_than_a_threshold_can_do_without_are_refused()
    {
        FedCoreException fault = Assert.Throws<FedCoreException>(() => new GraphRule(30, 0, 0.4, Adversary.SplitView).Choose());
        Assert.Equal("secagg.parameters", fault.Code);
        Assert.Contains("21 of 30 clients must stay, so 9 may be lost, but the dropout rate lets 12 go. Lower it to 0.3", fault.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(30, 29, 21, true)]
    [InlineData(30, 29, 20, false)]
    [InlineData(30, 29, 31, false)]
    [InlineData(30, 28, 21, false)]
    [InlineData(1000, 72, 24, true)]
    [InlineData(1000, 74, 30, true)]
    [InlineData(1000, 72, 20, false)]
    [InlineData(1000, 30, 24, false)]
    [InlineData(1000, 73, 24, false)]
    [InlineData(1000, 72, 73, false)]
    [InlineData(1000, 1000, 24, false)]
    [InlineData(1000, 1000, 667, true)]
    public void What_somebody_else_chose_is_safe_or_not(int clients, int degree, int threshold, bool isSafe) =>
        Assert.Equal(isSafe, new GraphRule(clients, 0.05, clients < 100 ? 0 : 0.33, Adversary.Curious).FaultIn(new GraphParameters(degree, threshold), clients) is null);

    [Theory]
    [InlineData(double.NaN, 0.1)]
    [InlineData(-0.1, 0.1)]
    [InlineData(1, 0.1)]
    [InlineData(0.1, double.NaN)]
    [InlineData(0.1, 1.5)]
    [InlineData(0.3, 0.31)]
    public void Rates_that_cannot_be_withstood_are_refused(double adversarial, double dropout) =>
        Assert.Equal("secagg.parameters", Assert.Throws<FedCoreException>(() => new GraphRule(1000, adversarial, dropout, Adversary.SplitView).Choose()).Code);

    // Values of an independent exact computation with integers: C(10, 4) = 210; for 5 marked of 10 and 4 drawn, 5, 50, 100, 50, 5 of 210 have 0 to 4 marked.
    [Fact]
    public void Tails_are_those_of_the_exact_counts()
    {
        var chances = new Hypergeometric(10);
        Assert.Equal(5 / 210.0, chances.AtMost(0, 10, 5, 4), 12);
        Assert.Equal(55 / 210.0, chances.AtMost(1, 10, 5, 4), 12);
        Assert.Equal(55 / 210.0, chances.Above(2, 10, 5, 4), 12);
        Assert.Equal(1, chances.Above(-1, 10, 5, 4), 12);
        Assert.Equal(0, chances.Above(4, 10, 5, 4));
        Assert.Equal(Math.Log(210), chances.LogChoose(10, 4), 12);
    }
}
