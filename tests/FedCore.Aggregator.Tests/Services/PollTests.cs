using System.Diagnostics;
using FedCore.Protocol.V1;
using Google.Protobuf;
using Grpc.Core;

namespace FedCore.Aggregator.Tests.Services;

/// <summary>How sites wait for work, and what is taken for lost.</summary>
public class PollTests
{
    private const int Liveness = 10;

    [Fact]
    public async Task Work_is_answered_the_moment_there_is_some()
    {
        await using TestAggregator aggregator = await StartAsync();
        TestSite north = await aggregator.AddSiteAsync("north");
        using AsyncUnaryCall<NextTaskReply> poll = north.Poll();
        await aggregator.PollIsOpenAsync("north");
        Assert.False(poll.ResponseAsync.IsCompleted);
        var watch = Stopwatch.StartNew();
        await aggregator.CreateRunAsync("run", new SmallRun());
        Assert.Equal("run", (await poll).Task.RunId);

        // The call would have waited for 44 seconds at least, of which few had passed.
        Assert.InRange(watch.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(5));
    }

    [Fact]
    public async Task A_call_is_answered_without_work_when_it_has_waited()
    {
        await using TestAggregator aggregator = await StartAsync();
        TestSite north = await aggregator.AddSiteAsync("north");
        using AsyncUnaryCall<NextTaskReply> poll = north.Poll();
        await aggregator.PollIsOpenAsync("north");
        aggregator.Clock.Pass(TimeSpan.FromSeconds(55));
        Assert.Equal(new NextTaskReply(), await poll);
    }

    [Fact]
    public async Task A_second_call_ends_the_first()
    {
        await using TestAggregator aggregator = await StartAsync();
        TestSite north = await aggregator.AddSiteAsync("north");
        using AsyncUnaryCall<NextTaskReply> first = north.Poll();
        await aggregator.PollIsOpenAsync("north");
        using AsyncUnaryCall<NextTaskReply> second = north.Poll();
        Assert.Equal(new NextTaskReply(), await first);
        await aggregator.CreateRunAsync("run", new SmallRun());
        Assert.Equal("run", (await second).Task.RunId);
    }

    [Fact]
    public async Task A_task_whose_call_broke_is_offered_again()
    {
        await using TestAggregator aggregator = await StartAsync();
        (TestSite north, TaskOffer task) = await aggregator.AskAsync(new SmallRun());
        Assert.Equal(task.TaskId, (await north.TaskAsync()).TaskId);
        await north.AnswerAsync(task, new SmallRun().Update());
        Assert.Equal(RunPhase.Completed, (await aggregator.EndOfAsync("run")).Phase);
    }

    [Fact]
    public async Task What_is_unwanted_is_said_at_once()
    {
        await using TestAggregator aggregator = await StartAsync();
        TestSite north = await aggregator.AddSiteAsync("north");
        string task = new('0', 32);
        var watch = Stopwatch.StartNew();
        Assert.Equal([task], (await north.Poll(task)).UnwantedTasks);
        Assert.InRange(watch.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(5));
    }

    [Fact]
    public async Task A_task_of_which_nothing_is_heard_is_lost_and_one_that_is_reported_on_is_not()
    {
        await using TestAggregator aggregator = await StartAsync();
        TestSite north = await aggregator.AddSiteAsync("north"), south = await aggregator.AddSiteAsync("south");
        await north.JoinAsync();
        await aggregator.CreateRunAsync("run", new SmallRun(), north, south);
        TaskOffer kept = await north.TaskAsync();
        await south.TaskAsync();
        var progress = new ProgressRequest { TaskId = kept.TaskId, Steps = -1 };
        aggregator.Clock.Pass(TimeSpan.FromSeconds(0.7 * Liveness));
        Assert.False((await north.Edge.ReportProgressAsync(progress, north.Options())).IsUnwanted);
        aggregator.Clock.Pass(TimeSpan.FromSeconds(0.7 * Liveness));
        Assert.False((await north.Edge.ReportProgressAsync(progress, north.Options())).IsUnwanted);
        await TestAggregator.UntilAsync(async () =>
        {
            await north.Edge.ReportProgressAsync(progress, north.Options());
            return (await aggregator.SiteAsync("south")).Activity.Length == 0;
        });
        await north.AnswerAsync(kept, new SmallRun().Update());
        await aggregator.EndOfAsync("run");
        string receipt = Assert.Single(await aggregator.ReceiptsAsync("run"));
        Assert.Contains("\"client\":\"north\",\"outcome\":\"reported\"", receipt, StringComparison.Ordinal);
        Assert.Contains("\"client\":\"south\",\"outcome\":\"lost\",\"reason\":\"client.silent\"", receipt, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Lists_that_no_client_has_are_refused()
    {
        await using TestAggregator aggregator = await StartAsync();
        TestSite north = await aggregator.AddSiteAsync("north");
        var tasks = new NextTaskRequest { TasksAtHand = { Enumerable.Repeat(new string('0', 32), 1001) } };
        var unsettled = new NextTaskRequest { UnsettledTasks = { Enumerable.Repeat(new UnsettledTask(), 1001) } };
        var cached = new NextTaskRequest { CachedDigests = { Enumerable.Repeat(ByteString.Empty, 1001) } };
        var kept = new NextTaskRequest { KeptRuns = { Enumerable.Repeat(new KeptRun(), 1001) } };
        foreach (NextTaskRequest request in (NextTaskRequest[])[tasks, unsettled, cached, kept])
            await Refusal.ThrowsAsync(StatusCode.InvalidArgument, "request.invalid", async () => await north.Edge.NextTaskAsync(request, north.Options()));
    }

    [Fact]
    public async Task Of_a_task_that_never_was_nothing_counts()
    {
        await using TestAggregator aggregator = await StartAsync();
        TestSite north = await aggregator.AddSiteAsync("north");
        await aggregator.CreateRunAsync("run", new SmallRun(), north);
        await north.AnswerAsync(await north.TaskAsync(), new SmallRun().Update());
        await aggregator.EndOfAsync("run");
        var request = new NextTaskRequest();
        (string, int, int)[] asked = [("run", 1, 0), ("run", 1, 1), ("run", 1, -1), ("run", 0, 0), ("run", int.MinValue, 0), ("run", int.MaxValue, int.MaxValue), ("none", 1, 0)];
        foreach ((string run, int round, int position) in asked)
            request.UnsettledTasks.Add(new UnsettledTask { TaskId = $"{run} {round} {position}", RunId = run, Round = round, Position = position });
        NextTaskReply reply = await north.Edge.NextTaskAsync(request, north.Options());
        Assert.Equal(["run 1 0"], reply.Settlements.Where(settlement => settlement.Counts).Select(settlement => settlement.TaskId));
        Assert.Equal(request.UnsettledTasks.Count, reply.Settlements.Count);
    }

    // Who can ask for its task, or for what became of it, must not learn how many others were asked. Each is left out once in a million rounds.
    [Fact]
    public async Task Where_cohorts_are_hidden_a_task_does_not_say_how_many_are_asked()
    {
        await using TestAggregator aggregator = await StartAsync();
        TestSite[] sites = [await aggregator.AddSiteAsync("north"), await aggregator.AddSiteAsync("south"), await aggregator.AddSiteAsync("west")];
        foreach (TestSite site in sites) await site.JoinAsync();
        var run = new SmallRun(weightBy: "uniform", rate: 0.999_999);
        await aggregator.CreateRunAsync("run", run, sites);
        TaskOffer[] tasks = await Task.WhenAll(sites.Select(site => site.TaskAsync()));
        Assert.All(tasks, task => Assert.Equal((0, 1), (task.Position, task.CohortSize)));
        Assert.Equal(3, tasks.Select(task => task.TaskId).Distinct().Count());
        foreach ((TestSite site, TaskOffer task) in sites.Zip(tasks)) await site.AnswerAsync(task, run.Update());
        await aggregator.EndOfAsync("run");
        foreach ((TestSite site, TaskOffer task) in sites.Zip(tasks))
        {
            var request = new NextTaskRequest { UnsettledTasks = { new UnsettledTask { TaskId = task.TaskId, RunId = "run", Round = 1, Position = task.Position } } };
            Assert.True(Assert.Single((await site.Edge.NextTaskAsync(request, site.Options())).Settlements).Counts);
        }
    }

    [Fact]
    public async Task Of_a_run_of_others_a_site_hears_as_if_there_were_none()
    {
        await using TestAggregator aggregator = await StartAsync();
        TestSite north = await aggregator.AddSiteAsync("north"), south = await aggregator.AddSiteAsync("south");
        await aggregator.CreateRunAsync("souths", new SmallRun(), south);
        await south.TaskAsync();
        var request = new NextTaskRequest();
        foreach (string run in (string[])["souths", "none"]) request.UnsettledTasks.Add(new UnsettledTask { TaskId = run, RunId = run, Round = 1 });
        NextTaskReply reply = await north.Edge.NextTaskAsync(request, north.Options());
        Assert.Equal([new Settlement { TaskId = "souths" }, new Settlement { TaskId = "none" }], reply.Settlements);
    }

    private static Task<TestAggregator> StartAsync() => TestAggregator.StartAsync(settings => settings with { LivenessSeconds = Liveness });
}
