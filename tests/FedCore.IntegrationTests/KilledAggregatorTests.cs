using System.Reflection;
using System.Text.Json.Serialization;
using FedCore.Rounds;

namespace FedCore.IntegrationTests;

/// <summary>An aggregator that is killed with SIGKILL behind an event of its journal, and started again.</summary>
public class KilledAggregatorTests(Hospitals hospitals) : HospitalTests, IClassFixture<Hospitals>
{
    /// <summary>What makes a run short, and leaves out what <see cref="SecureSumTests"/> are about.</summary>
    internal static readonly string[] Short = [.. Hospitals.InTheClear, "--set", "rounds.count=3"];

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

    [Fact]
    public void Every_kind_of_event_of_a_run_is_among_the_deaths()
    {
        IEnumerable<string> kinds = typeof(RunEvent).GetCustomAttributes<JsonDerivedTypeAttribute>().Select(kind => (string)kind.TypeDiscriminator!);
        Assert.Empty(kinds.Except([.. Deaths.Concat(KilledAgainTests.BufferedDeaths).Concat(SecureSumTests.Deaths).Select(death => death.Data.Item1), KilledAgainTests.Resumed, PrivacyTests.Reserved]));
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
}
