using System.Security.Cryptography;
using System.Text;
using FedCore.Protocol.V1;
using Google.Protobuf;
using Grpc.Core;

namespace FedCore.Aggregator.Tests.Services;

/// <summary>What coordinators say, right and wrong.</summary>
public class AdminTests
{
    private static readonly SmallRun Small = new();

    [Fact]
    public async Task A_name_that_no_run_may_have_is_refused()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        await aggregator.AddSiteAsync("north");
        foreach (string name in (string[])["", "A", "1", "-a", "a_b", "a.b", "a/b", "../a", "a\0", "a\n", "é", new string('a', 64), new string('a', 100_000)])
            await Refusal.ThrowsAsync(StatusCode.InvalidArgument, "run.name", () => aggregator.CreateRunAsync(name, Small));
        Assert.Equal(new string('a', 63), (await aggregator.CreateRunAsync(new string('a', 63), Small)).RunId);
    }

    [Fact]
    public async Task What_is_no_definition_is_refused()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        await aggregator.AddSiteAsync("north");
        string good = Encoding.UTF8.GetString(Small.Definition);
        (byte[] Bytes, string Code)[] definitions =
        [
            ([], "json.syntax"),
            ([0xff, 0xfe], "run.definition"),
            ("null"u8.ToArray(), "json.syntax"),
            ("[]"u8.ToArray(), "json.syntax"),
            ("{"u8.ToArray(), "json.syntax"),
            ("{}"u8.ToArray(), "json.schema"),
            (Encoding.UTF8.GetBytes(new string('[', 500_000)), "json.syntax"),
            (Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat("{\"a\":", 100_000))), "json.syntax"),
            (Encoding.UTF8.GetBytes(good.Replace("\"inputs\"", "\"x\"", StringComparison.Ordinal).Replace("fedavg", "nothing", StringComparison.Ordinal)), "json.schema"),
            (Encoding.UTF8.GetBytes(good.Replace("\"count\":1", "\"count\":0", StringComparison.Ordinal)), "json.schema"),
            (Encoding.UTF8.GetBytes(good.Replace("\"count\":1", "\"count\":1,\"count\":2", StringComparison.Ordinal)), "json.syntax"),
            (Encoding.UTF8.GetBytes(good.Replace("\"learningRate\":0.1", "\"learningRate\":1e999", StringComparison.Ordinal)), "json.schema"),
            (Encoding.UTF8.GetBytes(good.Replace("\"name\":\"small\"", $"\"name\":\"{new string('x', 1 << 20)}\"", StringComparison.Ordinal)), "request.invalid"),
        ];
        foreach ((byte[] bytes, string code) in definitions)
        {
            var request = new CreateRunRequest { RunId = "run", Definition = ByteString.CopyFrom(bytes) };
            await Refusal.ThrowsAsync(StatusCode.InvalidArgument, code, async () => await aggregator.Admin.CreateRunAsync(request, aggregator.AsCoordinator()));
        }

        Assert.Empty((await aggregator.Admin.ListRunsAsync(new ListRunsRequest(), aggregator.AsCoordinator())).Runs);
        Assert.Empty(aggregator.Log.Errors);
    }

    [Fact]
    public async Task A_run_needs_sites_that_there_are()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        await Refusal.ThrowsAsync(StatusCode.InvalidArgument, "run.sites", () => aggregator.CreateRunAsync("run", Small));
        TestSite north = await aggregator.AddSiteAsync("north");
        await Refusal.ThrowsAsync(StatusCode.InvalidArgument, "run.sites", () => aggregator.CreateRunAsync("run", Small, north, north));
        await Refusal.ThrowsAsync(StatusCode.InvalidArgument, "run.sites", () => aggregator.CreateRunAsync("run", Small, north, new TestSite(aggregator, "nobody", "")));
        Assert.Equal(["north"], (await aggregator.CreateRunAsync("run", Small)).Sites);
    }

    [Fact]
    public async Task A_name_that_is_taken_is_refused_and_the_run_that_has_it_goes_on()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        TestSite north = await aggregator.AddSiteAsync("north");
        await aggregator.CreateRunAsync("run", Small);
        await Refusal.ThrowsAsync(StatusCode.AlreadyExists, "run.exists", () => aggregator.CreateRunAsync("run", new SmallRun(rounds: 2)));
        await north.AnswerAsync(await north.TaskAsync(), Small.Update());
        Assert.Equal(RunPhase.Completed, (await aggregator.RunAsync("run", run => run.EndCode.Length > 0)).Phase);
    }

    [Fact]
    public async Task Of_two_who_create_a_run_at_once_one_does()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        await aggregator.AddSiteAsync("north");
        bool[] created = await Task.WhenAll(Enumerable.Range(0, 10).Select(async _ =>
        {
            try
            {
                await aggregator.CreateRunAsync("run", Small);
                return true;
            }
            catch (RpcException fault) when (fault.StatusCode == StatusCode.AlreadyExists)
            {
                return false;
            }
        }));
        Assert.Single(created, true);
        Assert.Single((await aggregator.Admin.ListRunsAsync(new ListRunsRequest(), aggregator.AsCoordinator())).Runs);
    }

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
        Assert.All((await aggregator.Admin.ListRunsAsync(new ListRunsRequest(), aggregator.AsCoordinator())).Runs, run => Assert.Equal("run.cancelled", run.EndCode));
    }

    [Fact]
    public async Task A_paused_run_holds_its_round_to_the_end_and_no_other()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        TestSite north = await aggregator.AddSiteAsync("north");
        await aggregator.CreateRunAsync("run", new SmallRun(rounds: 2));
        TaskOffer task = await north.TaskAsync();
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
        TestSite north = await aggregator.AddSiteAsync("north");
        await aggregator.CreateRunAsync("run", Small);
        TaskOffer task = await north.TaskAsync();
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
        Assert.Single(await WatchAsync(aggregator, 0), fact => fact.Kind == "runEnded");
        await aggregator.RestartAsync();
        Assert.Equal(RunPhase.Cancelled, (await aggregator.RunAsync("run", run => run.EndCode.Length > 0)).Phase);
        Assert.Empty(aggregator.Log.Errors);
    }

    [Fact]
    public async Task A_watch_shows_all_facts_from_the_first_and_as_they_come_to_the_end()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        TestSite north = await aggregator.AddSiteAsync("north");
        await aggregator.CreateRunAsync("run", new SmallRun(rounds: 2));
        TaskOffer first = await north.TaskAsync();
        using AsyncServerStreamingCall<RunFact> watch = aggregator.Admin.WatchRun(new WatchRunRequest { RunId = "run" }, aggregator.AsCoordinator());
        var facts = new List<RunFact>();
        while (facts.LastOrDefault()?.Kind != "roundOpened" && await watch.ResponseStream.MoveNext(TestContext.Current.CancellationToken)) facts.Add(watch.ResponseStream.Current);
        await north.AnswerAsync(first, Small.Update());
        await north.AnswerAsync(await north.TaskAsync(first.TaskId), Small.Update());
        await foreach (RunFact fact in watch.ResponseStream.ReadAllAsync(TestContext.Current.CancellationToken)) facts.Add(fact);
        Assert.Equal(Enumerable.Range(1, facts.Count), facts.Select(fact => (int)fact.Sequence));
        Assert.Equal(("runOpened", "runEnded", 2), (facts[0].Kind, facts[^1].Kind, facts.Count(fact => fact.Kind == "roundEnded")));

        // Also when it is all over, and from anywhere.
        Assert.Equal(facts, await WatchAsync(aggregator, 0));
        Assert.Equal(facts[3..], await WatchAsync(aggregator, 3));
        Assert.Empty(await WatchAsync(aggregator, facts.Count));
        Assert.Empty(await WatchAsync(aggregator, long.MaxValue));
        await Refusal.ThrowsAsync(StatusCode.InvalidArgument, "request.invalid", () => WatchAsync(aggregator, -1));
    }

    [Fact]
    public async Task Receipts_and_models_of_a_run_can_be_had()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync(settings => settings with { KeepModels = 2 });
        TestSite north = await aggregator.AddSiteAsync("north");
        await aggregator.CreateRunAsync("run", new SmallRun(rounds: 4));
        string[] done = [];
        for (int round = 1; round <= 4; round++)
        {
            TaskOffer task = await north.TaskAsync(done);
            await north.AnswerAsync(task, Small.Update());
            done = [.. done, task.TaskId];
        }

        Run run = await aggregator.RunAsync("run", run => run.EndCode.Length > 0);
        Assert.Equal(4, (await aggregator.ReceiptsAsync("run")).Count);
        IReadOnlyList<StoredModel> models = (await aggregator.Admin.ListModelsAsync(Asking, aggregator.AsCoordinator())).Models;
        Assert.Equal([0, 3, 4], models.Select(model => model.Round));
        Assert.Equal((models[^1].Model, 4), (run.Model, run.ModelRound));
        foreach (StoredModel model in models)
            Assert.Equal(model.Model.Digest.ToByteArray(), SHA256.HashData(await TestSite.DownloadAsync(aggregator.Blobs, model.Model.Digest, 0, aggregator.AsCoordinator())));
    }

    [Fact]
    public async Task Of_a_run_that_there_is_not_nothing_can_be_had()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        CallOptions options = aggregator.AsCoordinator();
        Func<Task>[] calls =
        [
            async () => await aggregator.Admin.GetRunAsync(Asking, options),
            async () => await aggregator.Admin.PauseRunAsync(Asking, options),
            async () => await aggregator.Admin.ResumeRunAsync(Asking, options),
            async () => await aggregator.Admin.CancelRunAsync(Asking, options),
            async () => await aggregator.Admin.ListModelsAsync(Asking, options),
            () => aggregator.ReceiptsAsync("run"),
            () => WatchAsync(aggregator, 0),
        ];
        foreach (Func<Task> call in calls) await Refusal.ThrowsAsync(StatusCode.NotFound, "run.unknown", call);
    }

    [Fact]
    public async Task Sites_have_names_that_can_be_had_once()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        foreach (string name in (string[])["", ".", "-a", "a b", "a/b", "a\n", "é", new string('a', 101)])
            await Refusal.ThrowsAsync(StatusCode.InvalidArgument, "site.name", () => aggregator.AddSiteAsync(name));
        TestSite north = await aggregator.AddSiteAsync("north");
        await Refusal.ThrowsAsync(StatusCode.AlreadyExists, "site.exists", () => aggregator.AddSiteAsync("north"));
        await Refusal.ThrowsAsync(StatusCode.NotFound, "site.unknown", async () => await aggregator.Admin.ReplaceTokenAsync(new ReplaceTokenRequest { Name = "south" }, aggregator.AsCoordinator()));
        Assert.Equal("north", (await north.JoinAsync()).Site);
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
        Assert.Equal(RunPhase.Cancelled, (await aggregator.RunAsync("run", run => run.EndCode.Length > 0)).Phase);
        Assert.False((await aggregator.SiteAsync("south")).IsRevoked);
    }

    private static RunRequest Asking => new() { RunId = "run" };

    private static async Task<List<RunFact>> WatchAsync(TestAggregator aggregator, long after)
    {
        using AsyncServerStreamingCall<RunFact> watch = aggregator.Admin.WatchRun(new WatchRunRequest { RunId = "run", AfterSequence = after }, aggregator.AsCoordinator());
        return await watch.ResponseStream.ReadAllAsync(TestContext.Current.CancellationToken).ToListAsync(TestContext.Current.CancellationToken);
    }
}
