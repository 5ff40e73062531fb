using FedCore.Rounds.Selection;

namespace FedCore.Core.Tests.Rounds;

public class UniformSelectionTests
{
    [Theory]
    [InlineData(1, 1)]
    [InlineData(10, 1)]
    [InlineData(10, 9)]
    [InlineData(10, 10)]
    [InlineData(1000, 300)]
    public void A_cohort_has_exactly_its_size_and_nobody_twice(long population, int size)
    {
        Cohort cohort = new UniformSelection { Size = size }.Select(population, 0, Statistics.Stream("cohort"));
        Assert.Equal((size, size), (cohort.Wanted, cohort.Members.Distinct().Count()));
        Assert.All(cohort.Members, member => Assert.InRange(member, 0, population - 1));
    }

    [Theory]
    [InlineData(0.1, 100, 10)]
    [InlineData(0.1, 3, 1)]
    [InlineData(0.25, 10, 2)]
    [InlineData(0.26, 10, 3)]
    [InlineData(1, 7, 7)]
    public void A_fraction_is_rounded_to_a_whole_number_of_at_least_one(double fraction, long population, int size) =>
        Assert.Equal(size, new UniformSelection { Fraction = fraction }.Select(population, 0, Statistics.Stream("cohort")).Members.Count);

    // wanted x (1 + share), rounded up; 1.1 x 10 and 1.07 x 100 lie a little above 11 and 107 in binary.
    [Theory]
    [InlineData(10, 0.3, 13)]
    [InlineData(10, 0.1, 11)]
    [InlineData(100, 0.07, 107)]
    [InlineData(10, 0.01, 11)]
    [InlineData(10, 0, 10)]
    [InlineData(10, 10, 110)]
    public void Over_selection_asks_a_share_more_and_wants_as_many(int size, double share, int asked)
    {
        Cohort cohort = new UniformSelection { Size = size }.Select(1000, share, Statistics.Stream("cohort"));
        Assert.Equal((asked, size), (cohort.Members.Count, cohort.Wanted));
    }

    [Fact]
    public void Over_selection_never_asks_more_than_there_are()
    {
        Cohort cohort = new UniformSelection { Size = 10 }.Select(12, 0.5, Statistics.Stream("cohort"));
        Assert.Equal((12, 10), (cohort.Members.Count, cohort.Wanted));
    }

    [Theory]
    [InlineData(6, 2, 2)]
    [InlineData(100_000, 2, 2)]
    [InlineData(1000, 50, 300)]
    public void Nobody_who_is_away_is_chosen_while_others_are_there(long population, int size, int present)
    {
        var clients = new Choosing.Numbered(population) { IsAway = client => client >= present };
        for (int round = 0; round < 20; round++)
        {
            Cohort cohort = new UniformSelection { Size = size }.Select(new SelectionContext(clients, Statistics.Stream("cohort", round)));
            Assert.Equal(size, cohort.Members.Distinct().Count());
            Assert.All(cohort.Members, member => Assert.InRange(member, 0, present - 1));
        }
    }

    [Fact]
    public void Every_client_is_chosen_evenly()
    {
        int[] counts = new int[50];
        for (int round = 0; round < 10_000; round++)
            foreach (long member in new UniformSelection { Size = 5 }.Select(50, 0, Statistics.Stream("cohort", round)).Members) counts[member]++;
        Statistics.AssertEven(counts);
    }

    // Where all report at once, the first of the cohort are the ones that count.
    [Fact]
    public void Every_client_comes_first_evenly()
    {
        int[] counts = new int[8];
        for (int round = 0; round < 16_000; round++) counts[new UniformSelection { Size = 4 }.Select(8, 0, Statistics.Stream("cohort", round)).Members[0]]++;
        Statistics.AssertEven(counts);
    }

    // The six pairs of four clients.
    [Fact]
    public void Every_subset_comes_evenly()
    {
        var counts = new Dictionary<string, int>();
        for (int round = 0; round < 12_000; round++)
        {
            string pair = string.Join('-', new UniformSelection { Size = 2 }.Select(4, 0, Statistics.Stream("cohort", round)).Members.Order());
            counts[pair] = counts.GetValueOrDefault(pair) + 1;
        }

        Assert.Equal(6, counts.Count);
        Statistics.AssertEven(counts.Values);
    }

    // A list of 10^12 clients would take 8 TB; a cohort of 1,000 takes some tens of kilobytes.
    [Fact]
    public void A_cohort_of_a_trillion_clients_costs_as_much_as_the_cohort()
    {
        var selection = new UniformSelection { Size = 1000 };
        selection.Select(1_000_000_000_000, 0.3, Statistics.Stream("warm"));
        long before = GC.GetAllocatedBytesForCurrentThread();
        Cohort cohort = selection.Select(1_000_000_000_000, 0.3, Statistics.Stream("cohort"));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 200_000);
        Assert.Contains(cohort.Members, member => member > 500_000_000_000);
    }

    public static TheoryData<UniformSelection, long, string> Impossible => new()
    {
        { new UniformSelection(), 10, "either a \"size\" or a \"fraction\"" },
        { new UniformSelection { Size = 1, Fraction = 0.5 }, 10, "either a \"size\" or a \"fraction\"" },
        { new UniformSelection { Size = 11 }, 10, "The cohort's size is 11, but there are 10 clients" },
        { new UniformSelection { Fraction = 0.5 }, 1_000_000_000_000, "Use a smaller fraction" },
    };

    [Theory]
    [MemberData(nameof(Impossible))]
    public void A_cohort_that_cannot_be_chosen_is_refused(UniformSelection selection, long population, string message)
    {
        var fault = Assert.Throws<FedCoreException>(() => selection.Validate(population));
        Assert.Equal("run.cohort", fault.Code);
        Assert.Contains(message, fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void All_clients_come_in_order_and_all_are_wanted()
    {
        Cohort cohort = new AllClients().Select(5, 0.5, Statistics.Stream("cohort"));
        Assert.Equal([0, 1, 2, 3, 4], cohort.Members);
        Assert.Equal(5, cohort.Wanted);
    }

    [Fact]
    public void All_of_a_trillion_clients_are_refused() =>
        Assert.Equal("run.cohort", Assert.Throws<FedCoreException>(() => new AllClients().Validate(1_000_000_000_000)).Code);
}
