using FedCore.Rounds;
using FedCore.Rounds.Selection;

namespace FedCore.Core.Tests.Rounds;

/// <summary>Selections that choose by what is known of the clients: turns, speeds, losses, hours.</summary>
public class KnowingSelectionTests
{
    private static readonly DateTimeOffset Noon = new(2026, 1, 1, 12, 0, 0, TimeSpan.Zero);

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void Turns_never_differ_by_more_than_the_bound(int bound)
    {
        var fleet = new Fleet(11);
        var selection = new RoundRobinSelection { Size = 4, Bound = bound };
        int widest = 0;
        for (int round = 1; round <= 200; round++)
        {
            fleet.Hold(selection, round);
            int[] turns = [.. Enumerable.Range(0, 11).Select(client => fleet.History.Of(client).Asked)];
            widest = Math.Max(widest, turns.Max() - turns.Min());
        }

        Assert.Equal(bound, widest);
    }

    // 20 clients, the higher the index the faster: tiers of four.
    [Fact]
    public void A_tiered_cohort_comes_from_one_tier_and_every_tier_has_its_turn()
    {
        var fleet = new Fleet(20) { Speed = client => client };
        int[] counts = new int[5];
        for (int round = 1; round <= 2000; round++)
        {
            IReadOnlyList<long> members = fleet.Hold(new TieredSelection { Size = 3 }, round).Members;
            Assert.Equal(3, members.Distinct().Count());
            counts[4 - Assert.Single(members.Select(client => client / 4).Distinct())]++;
        }

        Statistics.AssertEven(counts);
    }

    [Fact]
    public void Tiers_are_drawn_by_their_probabilities()
    {
        var fleet = new Fleet(20) { Speed = client => client };
        var selection = new TieredSelection { Size = 3, Tiers = 2, Probabilities = [3, 1] };
        int fast = Enumerable.Range(1, 2000).Count(round => fleet.Hold(selection, round).Members[0] >= 10);

        // 1500 expected, with a deviation of 19.4.
        Assert.InRange(fast, 1500 - 4 * 20, 1500 + 4 * 20);
    }

    [Fact]
    public void Adaptive_tiers_are_the_likelier_the_larger_their_losses()
    {
        var fleet = new Fleet(20) { Speed = client => client, Loss = client => client < 10 ? 3 : 1 };
        var selection = new TieredSelection { Size = 3, Tiers = 2, Adaptive = true };
        for (int round = 1; round <= 20; round++) fleet.Hold(selection, round);
        int slow = Enumerable.Range(21, 2000).Count(round => fleet.Hold(selection, round).Members[0] < 10);
        Assert.InRange(slow, 1500 - 4 * 20, 1500 + 4 * 20);
    }

    [Fact]
    public void Who_has_more_to_learn_from_is_asked_more_often()
    {
        var fleet = new Fleet(20) { Loss = client => client < 5 ? 10 : 0.1 };
        var selection = new UtilitySelection { Size = 4, LeastExploration = 0 };
        for (int round = 1; round <= 300; round++) fleet.Hold(selection, round);
        double often = Enumerable.Range(0, 5).Average(client => fleet.History.Of(client).Asked), seldom = Enumerable.Range(5, 15).Average(client => fleet.History.Of(client).Asked);
        Assert.True(often > 10 * seldom, $"{often} {seldom}");
    }

    // Alike but for their speed: whoever needs twice the preferred time counts a quarter.
    [Fact]
    public void Who_is_slower_than_preferred_is_asked_less_often()
    {
        var fleet = new Fleet(20) { Loss = _ => 1, Seconds = client => client < 10 ? 50 : 200 };
        var selection = new UtilitySelection { Size = 4, PreferredSeconds = 100, CutOff = 0 };
        for (int round = 1; round <= 400; round++) fleet.Hold(selection, round);
        double fast = Enumerable.Range(0, 10).Sum(client => fleet.History.Of(client).Asked), slow = Enumerable.Range(10, 10).Sum(client => fleet.History.Of(client).Asked);
        Assert.InRange(fast / slow, 2.5, 4.5);
    }

    [Fact]
    public void Exploration_asks_everybody_once_in_the_end_and_a_limit_keeps_the_busy_out()
    {
        var fleet = new Fleet(30) { Loss = client => client };
        var selection = new UtilitySelection { Size = 5, MaxParticipations = 4 };
        for (int round = 1; round <= 40; round++) fleet.Hold(selection, round);

        // 40 rounds have 200 places, but 30 clients only 4 each.
        Assert.All(Enumerable.Range(0, 30), client => Assert.Equal(4, fleet.History.Of(client).Asked));
    }

    public static TheoryData<ICohortSelection> All =>
        [new UniformSelection { Size = 4 }, new RoundRobinSelection { Size = 4 }, new TieredSelection { Size = 4, Tiers = 2 }, new UtilitySelection { Size = 4 }];

    // Six of twenty sleep at noon.
    [Theory]
    [MemberData(nameof(All))]
    public void Who_is_known_to_be_unavailable_is_not_asked(ICohortSelection selection)
    {
        var night = new AvailabilityWindow { From = new TimeOnly(22, 0), To = new TimeOnly(6, 0) };
        var fleet = new Fleet(20) { Windows = client => client % 3 == 0 ? [night] : [] };
        for (int round = 1; round <= 50; round++) Assert.All(fleet.Hold(selection, round).Members, client => Assert.NotEqual(0, client % 3));
    }

    [Theory]
    [MemberData(nameof(All))]
    public void The_same_round_gives_the_same_cohort_and_over_selection_asks_more(ICohortSelection selection)
    {
        Cohort first = new Fleet(20).Hold(selection, 1), again = new Fleet(20).Hold(selection, 1), more = new Fleet(20) { OverSelection = 0.5 }.Hold(selection, 1);
        Assert.Equal(first.Members, again.Members);
        Assert.Equal((4, 6, 4), (first.Members.Count, more.Members.Count, more.Wanted));
    }

    [Fact]
    public void A_window_over_midnight_holds_both_ends_of_the_day()
    {
        var window = new AvailabilityWindow { From = new TimeOnly(22, 0), To = new TimeOnly(6, 0) };
        Assert.True(window.Contains(new TimeOnly(23, 0)) && window.Contains(new TimeOnly(22, 0)) && window.Contains(new TimeOnly(5, 59)));
        Assert.False(window.Contains(new TimeOnly(6, 0)) || window.Contains(new TimeOnly(12, 0)));
        Assert.True(new AvailabilityWindow { From = default, To = default }.Contains(new TimeOnly(12, 0)));
    }

    [Theory]
    [InlineData(10, 5, "one tier")]
    [InlineData(4, 1, "one tier")]
    public void Tiers_smaller_than_the_cohort_are_refused(long population, int size, string word)
    {
        var fault = Assert.Throws<FedCoreException>(() => new TieredSelection { Size = size }.Validate(population));
        Assert.Equal("run.cohort", fault.Code);
        Assert.Contains(word, fault.Message, StringComparison.Ordinal);
    }

    private sealed class Fleet(long count) : IClientDirectory
    {
        public long Count => count;

        public ParticipationHistory History { get; } = new();

        public double OverSelection { get; init; }

        public Func<long, double?> Speed { get; init; } = _ => null;

        public Func<long, double?> Loss { get; init; } = _ => null;

        public Func<long, double?> Seconds { get; init; } = _ => null;

        public Func<long, AvailabilityWindow[]> Windows { get; init; } = _ => [];

        public ClientDescriptor Get(long index) => new(index, new ClientId($"{index}")) { ExamplesPerSecond = Speed(index), Availability = Windows(index) };

        /// <summary>A round in which everybody who is asked reports.</summary>
        public Cohort Hold(ICohortSelection selection, int round)
        {
            selection.Validate(count);
            Cohort cohort = selection.Select(new SelectionContext(this, Statistics.Stream("cohort", round)) { Round = round, Now = Noon, History = History, OverSelection = OverSelection });
            History.Add(cohort.Members, new RoundReceipt
            {
                Run = "",
                Round = round,
                Committed = true,
                Reason = "",
                Opened = Noon,
                Closed = Noon,
                Wanted = cohort.Wanted,
                Contributors = cohort.Members.Count,
                Weight = 1,
                Metrics = new Dictionary<string, double>(),
                BytesUp = 0,
                BytesDown = 0,
                Clients = [.. cohort.Members.Select(c => new ClientReceipt($"{c}", ClientOutcome.Reported, Work: new ClientWork { Loss = Loss(c), Examples = 1, Seconds = Seconds(c) }))],
            });
            return cohort;
        }
    }
}
