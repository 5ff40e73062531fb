using FedCore.Protocol.V1;
using Grpc.Core;

namespace FedCore.Aggregator.Tests.Services;

/// <summary>Runs that are paused, resumed and cancelled, in whatever they do.</summary>
public class RunOrderTests
{
    private static readonly SmallRun Small = new();

    [Fact]
    public async Task A_run_that_waits_can_be_paused_resumed_and_cancelled()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        TestSite north = await aggregator.AddSiteAsync("north");
        await aggregator.CreateRunAsync("run", Small);
        await aggregator.RunAsync("run", run => run.Phase == RunPhase.Waiting);
        for (int i = 0; i < 2; i++) await aggregator.Admin.PauseRunAsync(Asking, aggregator.AsCoordinator());
        await north.JoinAsync();
        await aggregator.RunAsync("run", run => run.Phase == RunPhase.Paused);
        await aggregator.RestartAsync();
        await north.JoinAsync();
        await aggregator.RunAsync("run", run => run.Phase == RunPhase.Paused);
        for (int i = 0; i < 2; i++) await aggregator.Admin.ResumeRunAsync(Asking, aggregator.AsCoordinator());
        await aggregator.RunAsync("run", run => run.Phase == RunPhase.Running);
        Assert.Equal(RunPhase.Cancelled, (await aggregator.Admin.CancelRunAsync(Asking, aggregator.AsCoordinator())).Phase);
    }

    // A run whose journal is yet to be read waits for that first, paused or not.
    [Fact]
    public async Task Who_pauses_or_resumes_a_run_that_waits_is_told_what_it_does_now()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        await aggregator.AddSiteAsync("north");
        await aggregator.CreateRunAsync("run", Small);
        await aggregator.RunAsync("run", run => run.Phase == RunPhase.Waiting && run.Message.Contains("are connected", StringComparison.Ordinal));
        Assert.Equal(RunPhase.Paused, (await aggregator.Admin.PauseRunAsync(Asking, aggregator.AsCoordinator())).Phase);
        Assert.Equal(RunPhase.Waiting, (await aggregator.Admin.ResumeRunAsync(Asking, aggregator.AsCoordinator())).Phase);
    }

    [Fact]
    public async Task A_run_can_be_cancelled_while_it_waits_or_is_paused()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        TestSite north = await aggregator.AddSiteAsync("north");
        foreach (bool isPaused in (bool[])[false, true])
        {
            string name = isPaused ? "paused" : "waiting";
            await aggregator.CreateRunAsync(name, Small, north);
            await aggregator.Admin.PauseRunAsync(new RunRequest { RunId = name }, aggregator.AsCoordinator());
            if (!isPaused) await aggregator.Admin.ResumeRunAsync(new RunRequest { RunId = name }, aggregator.AsCoordinator());
            await aggregator.RunAsync(name, run => run.Phase == RunPhase.Waiting || (isPaused && run.Phase == RunPhase.Paused));
            Assert.Equal(RunPhase.Cancelled, (await aggregator.Admin.CancelRunAsync(new RunRequest { RunId = name }, aggregator.AsCoordinator())).Phase);
        }

        await aggregator.RestartAsync();
        foreach (string name in (string[])["waiting", "paused"]) Assert.Equal("run.cancelled", (await aggregator.EndOfAsync(name)).EndCode);
    }

    [Fact]
    public async Task A_paused_run_holds_its_round_to_the_end_and_no_other()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        (TestSite north, TaskOffer task) = await aggregator.AskAsync(new SmallRun(rounds: 2));
        Assert.Equal(RunPhase.Running, (await aggregator.Admin.PauseRunAsync(Asking, aggregator.AsCoordinator())).Phase);
        Assert.True((await north.AnswerAsync(task, Small.Update())).IsAccepted);
        Assert.Equal(1, (await aggregator.RunAsync("run", run => run.Phase == RunPhase.Paused)).Round);
        await aggregator.Admin.ResumeRunAsync(Asking, aggregator.AsCoordinator());
        Assert.Equal(2, (await north.TaskAsync()).Round);
    }

    [Fact]
    public async Task A_cancelled_run_wants_nothing_any_more_also_behind_a_restart()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        (TestSite north, TaskOffer task) = await aggregator.AskAsync(Small);
        Run cancelled = await aggregator.Admin.CancelRunAsync(Asking, aggregator.AsCoordinator());
        Assert.Equal((RunPhase.Cancelled, "run.cancelled"), (cancelled.Phase, cancelled.EndCode));
        for (int i = 0; i < 2; i++)
        {
            await Refusal.ThrowsAsync(StatusCode.FailedPrecondition, "task.unwanted", () => north.AnswerAsync(task, Small.Update()));
            Func<RunRequest, CallOptions, AsyncUnaryCall<Run>>[] calls = [aggregator.Admin.PauseRunAsync, aggregator.Admin.ResumeRunAsync, aggregator.Admin.CancelRunAsync];
            foreach (Func<RunRequest, CallOptions, AsyncUnaryCall<Run>> call in calls)
                await Refusal.ThrowsAsync(StatusCode.FailedPrecondition, "run.ended", async () => await call(Asking, aggregator.AsCoordinator()));
            if (i == 0) await aggregator.RestartAsync();
        }
    }

    [Fact]
    public async Task A_run_that_is_cancelled_before_it_has_begun_can_be_read_again()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        TestSite north = await aggregator.AddSiteAsync("north");
        aggregator.Journal.Loses = (stream, _) => stream == "run/run";
        await aggregator.CreateRunAsync("run", Small, north);
        await aggregator.RunAsync("run", run => run.Message.Contains("was lost", StringComparison.Ordinal));
        aggregator.Journal.Loses = (_, _) => false;
        Assert.Equal(RunPhase.Cancelled, (await aggregator.Admin.CancelRunAsync(Asking, aggregator.AsCoordinator())).Phase);
        IReadOnlyList<RunFact> facts = await aggregator.FactsAsync("run");
        Assert.Equal(("runOpened", "runEnded"), (facts[0].Kind, facts[^1].Kind));
        await aggregator.RestartAsync();
        Assert.Equal(RunPhase.Cancelled, (await aggregator.EndOfAsync("run")).Phase);
    }

    [Fact]
    public async Task A_run_that_is_cancelled_by_many_at_once_ends_once()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        TestSite north = await aggregator.AddSiteAsync("north");
        await aggregator.CreateRunAsync("run", Small);
        await north.TaskAsync();
        await Task.WhenAll(Enumerable.Range(0, 20).Select(async _ =>
        {
            try
            {
                await aggregator.Admin.CancelRunAsync(Asking, aggregator.AsCoordinator());
            }
            catch (RpcException fault) when (fault.StatusCode == StatusCode.FailedPrecondition)
            {
            }
        }));
        Assert.Single(await aggregator.FactsAsync("run"), fact => fact.Kind == "runEnded");
        await aggregator.RestartAsync();
        Assert.Equal(RunPhase.Cancelled, (await aggregator.EndOfAsync("run")).Phase);
        Assert.Empty(aggregator.Log.Errors);
    }

    [Fact]
    public async Task What_the_journal_lost_once_can_be_done_again_and_lasts()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        TestSite north = await aggregator.AddSiteAsync("north");
        aggregator.Journal.Loses = (_, _) => true;
        await Refusal.ThrowsAsync(StatusCode.Unavailable, "journal.lost", () => aggregator.AddSiteAsync("south"));
        await Refusal.ThrowsAsync(StatusCode.Unavailable, "journal.lost", () => aggregator.CreateRunAsync("run", Small, north));
        aggregator.Journal.Loses = (_, _) => false;
        await aggregator.AddSiteAsync("south");
        await aggregator.CreateRunAsync("run", Small, north);
        await north.TaskAsync();
        aggregator.Journal.Loses = (stream, _) => stream == "runs";
        await Refusal.ThrowsAsync(StatusCode.Unavailable, "journal.lost", async () => await aggregator.Admin.CancelRunAsync(Asking, aggregator.AsCoordinator()));
        aggregator.Journal.Loses = (_, _) => false;
        await aggregator.Admin.CancelRunAsync(Asking, aggregator.AsCoordinator());
        await aggregator.RestartAsync();
        Assert.Equal(RunPhase.Cancelled, (await aggregator.EndOfAsync("run")).Phase);
        Assert.False((await aggregator.SiteAsync("south")).IsRevoked);
    }

    private static RunRequest Asking => new() { RunId = "run" };
}
