using FedCore.Protocol.V1;
using Google.Protobuf;
using Grpc.Core;

namespace FedCore.Aggregator.Tests.Services;

/// <summary>What a site is told of the runs for which it keeps something.</summary>
public class KeptRunTests
{
    private static readonly SmallRun Small = new(rounds: 2), Other = new(rounds: 3);

    [Fact]
    public async Task A_run_is_over_when_it_has_ended_whatever_its_end()
    {
        await using TestAggregator aggregator = await StartAsync();
        TestSite north = await aggregator.AddSiteAsync("north");
        await aggregator.CreateRunAsync("completed", Small, north);
        for (int round = 1; round <= 2; round++) await north.AnswerAsync(await north.TaskAsync(), Small.Update());
        await aggregator.EndOfAsync("completed");
        await aggregator.CreateRunAsync("cancelled", Small, north);
        await aggregator.Admin.CancelRunAsync(new RunRequest { RunId = "cancelled" }, aggregator.AsCoordinator());
        KeptRun[] kept = [Kept("completed"), Kept("cancelled")];
        Assert.Equal(kept, await north.EndedAsync(kept));
        await aggregator.RestartAsync();
        Assert.Equal(kept, await north.EndedAsync(kept));
    }

    [Fact]
    public async Task A_run_that_waits_or_is_paused_is_not_over()
    {
        await using TestAggregator aggregator = await StartAsync();
        TestSite north = await aggregator.AddSiteAsync("north"), south = await aggregator.AddSiteAsync("south");
        await aggregator.CreateRunAsync("running", Small, north);
        await aggregator.CreateRunAsync("waiting", Small, south, north);
        await aggregator.CreateRunAsync("paused", Small, south, north);
        await aggregator.Admin.PauseRunAsync(new RunRequest { RunId = "paused" }, aggregator.AsCoordinator());
        Assert.Empty(await north.EndedAsync(Kept("running"), Kept("waiting"), Kept("paused")));
    }

    [Fact]
    public async Task What_a_site_has_no_part_in_is_over_for_it_as_if_it_were_not_there()
    {
        await using TestAggregator aggregator = await StartAsync();
        TestSite north = await aggregator.AddSiteAsync("north"), south = await aggregator.AddSiteAsync("south");
        await aggregator.CreateRunAsync("souths", Small, south);
        await aggregator.CreateRunAsync("norths", Small, north);
        KeptRun[] kept = [Kept("souths"), Kept("none"), Kept("com1"), Kept("norths", Other)];
        Assert.Equal(kept, await north.EndedAsync([.. kept, Kept("norths")]));
    }

    [Fact]
    public async Task Of_a_run_whose_journal_cannot_be_read_nothing_is_said()
    {
        await using TestAggregator aggregator = await StartAsync();
        TestSite north = await aggregator.AddSiteAsync("north");
        await aggregator.CreateRunAsync("run", Small, north);
        await aggregator.Admin.CancelRunAsync(new RunRequest { RunId = "run" }, aggregator.AsCoordinator());
        await aggregator.RestartAsync(journal => journal.Hides = stream => stream == "run/run");
        Assert.Empty(await north.EndedAsync(Kept("run")));
    }

    [Fact]
    public async Task A_run_that_ends_while_its_site_waits_is_said_to_be_over_when_the_call_has_waited()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        TestSite north = await aggregator.AddSiteAsync("north");
        await aggregator.CreateRunAsync("run", Small, north, await aggregator.AddSiteAsync("south"));
        await aggregator.Admin.PauseRunAsync(new RunRequest { RunId = "run" }, aggregator.AsCoordinator());
        Task<IReadOnlyList<KeptRun>> asking = north.EndedAsync(Kept("run"));
        await aggregator.PollIsOpenAsync("north");
        await aggregator.Admin.CancelRunAsync(new RunRequest { RunId = "run" }, aggregator.AsCoordinator());
        Assert.False(asking.IsCompleted);
        aggregator.Clock.Pass(TimeSpan.FromSeconds(55));
        Assert.Equal([Kept("run")], await asking);
    }

    [Fact]
    public async Task A_run_that_is_named_again_and_again_is_answered_once()
    {
        await using TestAggregator aggregator = await StartAsync();
        TestSite north = await aggregator.AddSiteAsync("north");
        Assert.Equal([Kept("none")], await north.EndedAsync([.. Enumerable.Repeat(Kept("none"), 1000)]));
    }

    [Theory]
    [InlineData("", 32, "kept_runs.run_id")]
    [InlineData("Run", 32, "kept_runs.run_id")]
    [InlineData("../run", 32, "kept_runs.run_id")]
    [InlineData("r234567890123456789012345678901234567890123456789012345678901234", 32, "kept_runs.run_id")]
    [InlineData("run", 0, "kept_runs.definition_digest")]
    [InlineData("run", 31, "kept_runs.definition_digest")]
    [InlineData("run", 33, "kept_runs.definition_digest")]
    public async Task What_is_no_run_is_refused(string run, int digestBytes, string field)
    {
        await using TestAggregator aggregator = await StartAsync();
        TestSite north = await aggregator.AddSiteAsync("north");
        var kept = new KeptRun { RunId = run, DefinitionDigest = ByteString.CopyFrom(new byte[digestBytes]) };
        Assert.Equal(field, (await Refusal.ThrowsAsync(StatusCode.InvalidArgument, "request.invalid", () => north.EndedAsync(kept))).Field);
    }

    private static KeptRun Kept(string run, SmallRun? definition = null) =>
        new() { RunId = run, DefinitionDigest = ByteString.CopyFrom(System.Security.Cryptography.SHA256.HashData((definition ?? Small).Plan.CanonicalBytes.Span)) };

    private static Task<TestAggregator> StartAsync() => TestAggregator.StartAsync(settings => settings with { PollSeconds = 1 });
}
