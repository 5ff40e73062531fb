namespace FedCore.IntegrationTests;

/// <summary>An aggregator that is killed where more than one round is at stake: in a buffered run, twice, and with its spool lost.</summary>
public class KilledAgainTests(Hospitals hospitals) : HospitalTests, IClassFixture<Hospitals>
{
    /// <summary>The fact that a round is held again.</summary>
    internal const string Resumed = "runResumed";

    /// <summary>Behind which event of a buffered run the aggregator is killed.</summary>
    public static TheoryData<string, int> BufferedDeaths { get; } = new()
    {
        { "clientAsked", 3 },
        { "replyTaken", 5 },
        { "setClosed", 2 },
        { "roundEnded", 3 },
        { "evaluationEnded", 2 },
    };

    [Theory]
    [MemberData(nameof(BufferedDeaths))]
    public async Task Killed_in_a_buffered_run_it_goes_on_with_what_is_in_the_buffer_and_who_is_at_work(string kind, int number)
    {
        string run = $"buffered-{kind.ToLowerInvariant()}";
        await hospitals.StartAsync(kind, $"{number}");
        using (hospitals.Begin(Hospitals.Create(run, [.. Hospitals.InTheClear, "--set", "rounds.count=6", "--set", "rounds.buffer.size=2"]))) await hospitals.DeathAsync();
        await hospitals.StartAsync();
        string facts = await hospitals.FedcoreAsync("run", "watch", run, "--json");
        Assert.DoesNotContain(Resumed, facts, StringComparison.Ordinal);
        IEnumerable<int> contributors = (await hospitals.ReceiptsAsync(run)).Select(receipt => receipt.GetProperty("contributors").GetInt32());
        Assert.Equal([2, 2, 2, 2, 2, 2], contributors);
    }

    [Fact]
    public async Task Killed_again_behind_the_first_event_that_follows_it_goes_on()
    {
        await hospitals.StartAsync("replyTaken", "6");
        using (hospitals.Begin(Hospitals.Create("killed-twice", KilledAggregatorTests.Short))) await hospitals.DeathAsync();
        await hospitals.StartAsync("replyTaken", "1");
        await hospitals.DeathAsync();
        await hospitals.StartAsync();
        await hospitals.AssertLikeSimulationAsync("killed-twice", KilledAggregatorTests.Short);
    }

    [Fact]
    public async Task Where_the_spool_was_lost_with_its_disk_the_round_is_held_again_also_when_it_is_killed_behind_that_fact()
    {
        await hospitals.StartAsync("replyTaken", "6");
        using (hospitals.Begin(Hospitals.Create("without-spool", KilledAggregatorTests.Short))) await hospitals.DeathAsync();
        Directory.Delete(Path.Combine(hospitals.AggregatorFolder, "spool"), recursive: true);
        await hospitals.StartAsync(Resumed, "1");
        await hospitals.DeathAsync();
        await hospitals.StartAsync();
        await hospitals.AssertLikeSimulationAsync("without-spool", KilledAggregatorTests.Short);
    }
}
