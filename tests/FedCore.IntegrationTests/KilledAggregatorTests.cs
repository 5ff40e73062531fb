using System.Reflection;
using System.Text.Json.Serialization;
using FedCore.Rounds;

namespace FedCore.IntegrationTests;

/// <summary>An aggregator that is killed with SIGKILL behind an event of its journal, and started again.</summary>
public class KilledAggregatorTests(Hospitals hospitals) : IClassFixture<Hospitals>
{
    private const string Resumed = "runResumed";

    private static readonly string[] Short = ["--set", "rounds.count=3"];

    /// <summary>Behind which event of a run's course the aggregator is killed. The first reply of a round is not as the last one.</summary>
    public static TheoryData<string, int> Deaths { get; } = new()
    {
        { "RunCreated", 1 },
        { "runOpened", 1 },
        { "checkpointSaved", 1 },
        { "roundOpened", 2 },
        { "replyTaken", 1 },
        { "replyTaken", 4 },
        { "replyTaken", 7 },
        { "setClosed", 2 },
        { "roundEnded", 2 },
        { "evaluationEnded", 2 },
        { "runEnded", 1 },
    };

    /// <summary>The same in a buffered run.</summary>
    public static TheoryData<string, int> BufferedDeaths { get; } = new()
    {
        { "clientAsked", 3 },
        { "replyTaken", 5 },
        { "setClosed", 2 },
        { "roundEnded", 3 },
        { "evaluationEnded", 2 },
    };

    [Fact]
    public void Every_kind_of_event_of_a_run_is_among_the_deaths()
    {
        IEnumerable<string> kinds = typeof(RunEvent).GetCustomAttributes<JsonDerivedTypeAttribute>().Select(kind => (string)kind.TypeDiscriminator!);
        Assert.Empty(kinds.Except([.. Deaths.Concat(BufferedDeaths).Select(death => death.Data.Item1), Resumed]));
    }

    [Fact]
    public async Task Four_hospitals_end_with_the_bits_of_their_simulation()
    {
        await hospitals.StartAsync();
        await hospitals.FedcoreAsync(Hospitals.Create("undisturbed"));
        await hospitals.AssertLikeSimulationAsync("undisturbed");
    }

    [Theory]
    [MemberData(nameof(Deaths))]
    public async Task Killed_behind_any_event_it_goes_on_and_no_update_is_lost_or_counted_twice(string kind, int number)
    {
        string run = $"killed-{kind.ToLowerInvariant()}-{number}";
        await hospitals.StartAsync(kind, $"{number}");
        using (hospitals.Begin(Hospitals.Create(run, Short))) await hospitals.DeathAsync();
        await hospitals.StartAsync();
        await hospitals.AssertLikeSimulationAsync(run, Short);
    }

    [Theory]
    [MemberData(nameof(BufferedDeaths))]
    public async Task Killed_in_a_buffered_run_it_goes_on_with_what_is_in_the_buffer_and_who_is_at_work(string kind, int number)
    {
        string run = $"buffered-{kind.ToLowerInvariant()}";
        await hospitals.StartAsync(kind, $"{number}");
        using (hospitals.Begin(Hospitals.Create(run, "--set", "rounds.count=6", "--set", "rounds.buffer.size=2"))) await hospitals.DeathAsync();
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
        using (hospitals.Begin(Hospitals.Create("killed-twice", Short))) await hospitals.DeathAsync();
        await hospitals.StartAsync("replyTaken", "1");
        await hospitals.DeathAsync();
        await hospitals.StartAsync();
        await hospitals.AssertLikeSimulationAsync("killed-twice", Short);
    }

    [Fact]
    public async Task Where_the_spool_was_lost_with_its_disk_the_round_is_held_again_also_when_it_is_killed_behind_that_fact()
    {
        await hospitals.StartAsync("replyTaken", "6");
        using (hospitals.Begin(Hospitals.Create("without-spool", Short))) await hospitals.DeathAsync();
        Directory.Delete(Path.Combine(hospitals.AggregatorFolder, "spool"), recursive: true);
        await hospitals.StartAsync(Resumed, "1");
        await hospitals.DeathAsync();
        await hospitals.StartAsync();
        await hospitals.AssertLikeSimulationAsync("without-spool", Short);
    }

    [Fact]
    public async Task A_run_that_was_paused_before_the_kill_is_paused_behind_it()
    {
        await hospitals.StartAsync("RunHeld", "1");
        await hospitals.FedcoreAsync(Hospitals.Create("paused", "--set", "rounds.count=30"));
        using (hospitals.Begin("run", "pause", "paused")) await hospitals.DeathAsync();
        await hospitals.StartAsync("RunHeld", "1");
        using (hospitals.Begin("run", "resume", "paused")) await hospitals.DeathAsync();
        await hospitals.StartAsync();
        await hospitals.AssertLikeSimulationAsync("paused", "--set", "rounds.count=30");
    }

    [Fact]
    public async Task A_run_that_was_cancelled_before_the_kill_stays_cancelled()
    {
        await hospitals.StartAsync("RunCancelled", "1");
        await hospitals.FedcoreAsync(Hospitals.Create("cancelled", "--set", "rounds.count=1000000"));
        using (hospitals.Begin("run", "cancel", "cancelled")) await hospitals.DeathAsync();
        await hospitals.StartAsync();
        Assert.Equal("cancelled", (await hospitals.RunAsync("cancelled")).GetProperty("phase").GetString());
    }

    [Theory]
    [InlineData("SiteAdded", "add", "fifth")]
    [InlineData("TokenReplaced", "token", "sixth")]
    public async Task What_was_written_of_a_site_before_the_kill_holds_and_its_coordinator_draws_another_token(string kind, string verb, string site)
    {
        await hospitals.StartAsync(kind, "1");
        if (verb == "token") await hospitals.FedcoreAsync("site", "add", site);
        using (hospitals.Begin("site", verb, site)) await hospitals.DeathAsync();
        await hospitals.StartAsync();
        Assert.NotEmpty(await hospitals.FedcoreAsync("site", "token", site));
    }
}
