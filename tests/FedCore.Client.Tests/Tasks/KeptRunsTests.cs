using FedCore.Client.Outbox;
using FedCore.Client.Storage;
using FedCore.Client.Tasks;
using FedCore.Client.Tests.Fakes;
using FedCore.Protocol.V1;
using FedCore.Strategies;
using FedCore.Tests;
using Google.Protobuf;
using Grpc.Core;

namespace FedCore.Client.Tests.Tasks;

/// <summary>What a site keeps for a run, SCAFFOLD's control variates, goes when the run is over, and not before.</summary>
public sealed class KeptRunsTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private string[] States => [.. Directory.EnumerateFileSystemEntries(_folder["state"]).Select(path => Path.GetFileName(path)!).Order()];

    [Fact]
    public async Task State_and_memory_of_a_run_that_is_over_are_given_back()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        using var run = new SmallRun(aggregator, new Scaffold());
        using var other = new SmallRun(aggregator, new Scaffold(), name: "other");
        var trainer = new GatedTrainer();
        await using RunningClient client = await RunningClient.StartAsync(RunningClient.Settings(aggregator, _folder.Path, trainer));
        await KeepAsync(aggregator, client, run, other);
        Assert.Equal([Key(other), Key(run)], States);
        aggregator.Ended = asked => asked.Where(kept => kept.RunId == "run");
        aggregator.Beat();
        await aggregator.WaitAsync(() => client.Log.Has(215));
        await aggregator.WaitAsync(() => trainer.Disposed == 1);
        Assert.Equal([Key(other)], States);
        Assert.Equal(2, trainer.Workspaces);
    }

    [Fact]
    public async Task A_site_asks_when_a_task_was_settled_when_it_joins_and_then_now_and_then()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        aggregator.Terms.PollSeconds = 1;
        using var run = new SmallRun(aggregator, new Scaffold());
        var clock = new ShiftedClock();
        await using (RunningClient first = await RunningClient.StartAsync(RunningClient.Settings(aggregator, _folder.Path), clock: clock))
        {
            await KeepAsync(aggregator, first, run);
            await AskedAsync(aggregator, 1);
        }

        await using RunningClient second = await RunningClient.StartAsync(RunningClient.Settings(aggregator, _folder.Path), clock: clock);
        await AskedAsync(aggregator, 2);
        await aggregator.WaitForCallsAsync("NextTask", aggregator.Count("NextTask") + 2);
        Assert.Equal(2, Asked(aggregator).Count());
        clock.Pass(KeptRuns.AskEvery);
        await AskedAsync(aggregator, 3);
        var expected = new KeptRun { RunId = "run", DefinitionDigest = ByteString.CopyFrom(Convert.FromHexString(run.Plan.Hash["sha256:".Length..])) };
        Assert.All(Asked(aggregator), request => Assert.Equal([expected], request.KeptRuns));
    }

    [Fact]
    public async Task A_site_that_keeps_nothing_asks_about_nothing()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        using var run = new SmallRun(aggregator);
        await using RunningClient client = await RunningClient.StartAsync(RunningClient.Settings(aggregator, _folder.Path));
        await aggregator.AcceptedAsync(run.Train(1).TaskId);
        await aggregator.AcceptedAsync(run.Evaluate(1).TaskId);
        Assert.Empty(Asked(aggregator));
    }

    [Fact]
    public async Task A_site_that_was_away_when_a_run_ended_is_told_when_it_is_back()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        using var run = new SmallRun(aggregator, new Scaffold());
        await using (RunningClient first = await RunningClient.StartAsync(RunningClient.Settings(aggregator, _folder.Path))) await KeepAsync(aggregator, first, run);
        aggregator.Ended = asked => asked;
        await using RunningClient second = await RunningClient.StartAsync(RunningClient.Settings(aggregator, _folder.Path));
        await aggregator.WaitAsync(() => second.Log.Has(215));
        Assert.Empty(States);
    }

    [Fact]
    public async Task While_an_update_of_the_run_is_on_its_way_its_state_is_not_dropped()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        aggregator.Terms.PollSeconds = 1;
        using var run = new SmallRun(aggregator, new Scaffold());
        await using (RunningClient first = await RunningClient.StartAsync(RunningClient.Settings(aggregator, _folder.Path)))
        {
            await KeepAsync(aggregator, first, run);
            await AskedAsync(aggregator, 1);
            aggregator.OnCall = (method, _) => method == "SendPart" ? throw FakeAggregator.Fault(StatusCode.Unavailable, "run.held-up", "Later.") : Task.CompletedTask;
            run.Train(2);
            await aggregator.WaitForCallsAsync("SendPart", 2);
        }

        aggregator.Ended = runs => runs;
        int asked = Asked(aggregator).Count(), calls = aggregator.Count("NextTask");
        await using RunningClient second = await RunningClient.StartAsync(RunningClient.Settings(aggregator, _folder.Path));
        await aggregator.WaitForCallsAsync("NextTask", calls + 3);
        Assert.Equal(asked + 1, Asked(aggregator).Count());
        Assert.Equal([Key(run)], States);

        // When it has come, and it is known whether it counts, the state goes.
        aggregator.OnCall = (_, _) => Task.CompletedTask;
        await aggregator.WaitAsync(() => second.Log.Has(215));
        Assert.Empty(States);
    }

    [Fact]
    public async Task What_was_not_asked_about_is_not_dropped_whatever_the_aggregator_says()
    {
        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        using var run = new SmallRun(aggregator, new Scaffold());
        await using RunningClient client = await RunningClient.StartAsync(RunningClient.Settings(aggregator, _folder.Path));
        await KeepAsync(aggregator, client, run);
        await AskedAsync(aggregator, 1);
        int said = 0;
        aggregator.Ended = _ => said++ > 0 ? [] : [new KeptRun { RunId = "run", DefinitionDigest = ByteString.CopyFrom(Convert.FromHexString(run.Plan.Hash[7..23] + new string('0', 48))) }, new KeptRun { RunId = "../outbox" }];
        int calls = aggregator.Count("NextTask");
        aggregator.Beat();
        await aggregator.WaitForCallsAsync("NextTask", calls + 1);
        Assert.Equal([Key(run)], States);
        Assert.False(client.Log.Has(215));
    }

    [Fact]
    public async Task What_cannot_be_deleted_is_logged_and_asked_about_again_later()
    {
        await using (FakeAggregator aggregator = await FakeAggregator.StartAsync())
        {
            using var run = new SmallRun(aggregator, new Scaffold());
            await using RunningClient client = await RunningClient.StartAsync(RunningClient.Settings(aggregator, _folder.Path));
            await KeepAsync(aggregator, client, run);
        }

        var disk = new StuckDisk();
        var log = new LogLines();
        var clock = new HandClock();
        using DataFolder folder = DataFolder.Open(_folder.Path, disk);
        var outbox = new UpdateOutbox(folder, clock, log);
        using var rooms = new RunRooms(new Client.Settings.ClientSettings { Aggregator = "http://127.0.0.1:1", Data = new SmallData() }, Runs.Names, folder, null!, null!, clock, log);
        var kept = new KeptRuns(outbox, rooms, clock, log);
        foreach (string stuck in (string[])["move", "delete"])
        {
            disk.Stuck = stuck;
            kept.Drop(kept.ToAsk());
            Assert.Empty(kept.ToAsk());
            clock.Move(KeptRuns.AskEvery);
        }

        Assert.Equal((2, 0), (log.Count(216), log.Count(215)));

        // What was moved away already is not state any more, and keeps no client from starting.
        Assert.Empty(kept.ToAsk());
        Assert.EndsWith(".gone", Assert.Single(States), StringComparison.Ordinal);
        _ = new UpdateOutbox(folder, clock, log);
        Assert.Equal(3, log.Count(216));
        disk.Stuck = null;
        _ = new UpdateOutbox(folder, clock, log);
        Assert.Empty(States);
    }

    private static string Key(SmallRun run) => UpdateRecord.StateFolderOf(run.Name, run.Plan.Hash["sha256:".Length..]);

    private static IEnumerable<NextTaskRequest> Asked(FakeAggregator aggregator) => aggregator.Messages<NextTaskRequest>().Where(request => request.KeptRuns.Count > 0);

    private static Task AskedAsync(FakeAggregator aggregator, int times) => aggregator.WaitAsync(() => Asked(aggregator).Count() >= times);

    // The first round of each run counts.
    private static async Task KeepAsync(FakeAggregator aggregator, RunningClient client, params SmallRun[] runs)
    {
        aggregator.Settlement = _ => true;
        foreach (SmallRun run in runs) run.Train(1);
        await aggregator.WaitAsync(() => client.Log.Count(304) == runs.Length);
    }

    private sealed class StuckDisk : Disk
    {
        /// <summary>The changes of the state that fail, by their first word.</summary>
        public string? Stuck { get; set; }

        protected override void Before(string change)
        {
            if (Stuck is not null && change.StartsWith(Stuck, StringComparison.Ordinal) && change.Contains("state", StringComparison.Ordinal)) throw new IOException("Read-only file system", 30);
        }
    }
}
