using FedCore.Rounds.Selection;

namespace FedCore.Core.Tests.Rounds;

public class PoissonSelectionTests
{
    // A binomial(n, q) has mean n q and variance n q (1 - q); limits are five standard errors of 4,000 draws.
    [Theory]
    [InlineData(0.5)]
    [InlineData(0.1)]
    [InlineData(0.01)]
    public void A_cohorts_size_has_the_mean_and_variance_of_a_binomial(double rate)
    {
        const int population = 1000, draws = 4000;
        double[] sizes = [.. Enumerable.Range(0, draws).Select(round => (double)Select(rate, population, round).Members.Count)];
        double mean = population * rate, variance = population * rate * (1 - rate);
        Assert.Equal(mean, sizes.Average(), 5 * Math.Sqrt(variance / draws));
        Assert.Equal(variance, sizes.Average(size => (size - mean) * (size - mean)), 5 * variance * Math.Sqrt(2.0 / draws) * 1.1);
    }

    [Fact]
    public void Every_client_is_chosen_evenly()
    {
        int[] counts = new int[40];
        for (int round = 0; round < 20_000; round++)
            foreach (long member in Select(0.2, 40, round).Members) counts[member]++;
        Statistics.AssertEven(counts);
    }

    // Of two clients: both q^2, one each q (1 - q), none (1 - q)^2, with q = 1/2 all four evenly.
    [Fact]
    public void Clients_are_chosen_independently_of_each_other()
    {
        int[] counts = new int[4];
        for (int round = 0; round < 8000; round++) counts[Select(0.5, 2, round).Members.Sum(member => 1 << (int)member)]++;
        Statistics.AssertEven(counts);
    }

    [Fact]
    public void Nobody_is_chosen_twice()
    {
        Cohort cohort = Select(0.7, 10_000, 1);
        Assert.Equal(cohort.Members.Count, cohort.Members.Distinct().Count());
    }

    [Fact]
    public void Rate_one_chooses_everybody() => Assert.Equal(Enumerable.Range(0, 100).Select(i => (long)i), Select(1, 100, 1).Members.Order());

    [Theory]
    [InlineData(1e-18)]
    [InlineData(1e-300)]
    [InlineData(double.Epsilon)]
    public void A_tiny_rate_chooses_nobody_of_a_trillion(double rate) => Assert.Empty(Select(rate, 1_000_000_000_000, 1).Members);

    // Mean 1,000, deviation 32.
    [Fact]
    public void A_trillion_clients_cost_as_much_as_those_that_are_chosen() =>
        Assert.InRange(Select(1e-9, 1_000_000_000_000, 1).Members.Count, 1000 - 160, 1000 + 160);

    [Fact]
    public void All_who_are_chosen_are_wanted()
    {
        Cohort cohort = Select(0.3, 100, 1);
        Assert.Equal(cohort.Members.Count, cohort.Wanted);
    }

    [Fact]
    public void Over_selection_is_refused() => Assert.Equal("run.cohort", Assert.Throws<FedCoreException>(
        () => new PoissonSelection { Rate = 0.1 }.Select(100, 0.1, Statistics.Stream("cohort"))).Code);

    [Fact]
    public void A_rate_that_asks_for_too_many_is_refused() =>
        Assert.Equal("run.cohort", Assert.Throws<FedCoreException>(() => new PoissonSelection { Rate = 0.5 }.Validate(1_000_000_000_000)).Code);

    private static Cohort Select(double rate, long population, long seed) =>
        new PoissonSelection { Rate = rate }.Select(population, 0, Statistics.Stream("cohort", seed));
}
