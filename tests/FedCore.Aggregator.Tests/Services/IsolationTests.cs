using FedCore.Naming;
using FedCore.Protocol.V1;
using FedCore.Strategies;
using FedCore.Updates;
using Grpc.Core;

namespace FedCore.Aggregator.Tests.Services;

/// <summary>What is wrong with one run is no other's trouble.</summary>
public class IsolationTests
{
    [Fact]
    public async Task A_run_whose_strategy_fails_in_every_round_leaves_the_others_going_on()
    {
        Registry names = Registry.CreateDefault().Register<IStrategy, Failing>("failing");
        await using TestAggregator aggregator = await TestAggregator.StartAsync(names: names);
        TestSite north = await aggregator.AddSiteAsync("north");
        var good = new SmallRun(rounds: 3);
        await aggregator.CreateRunAsync("bad", new SmallRun(rounds: 3, strategy: "failing", names: names));
        await aggregator.CreateRunAsync("good", good);
        string[] done = [];
        for (int i = 0; i < 4; i++)
        {
            TaskOffer task = await north.TaskAsync(done);
            Assert.True((await north.AnswerAsync(task, good.Update())).IsAccepted);
            done = [.. done, task.TaskId];
        }

        Assert.Equal(RunPhase.Completed, (await aggregator.EndOfAsync("good")).Phase);
        Run bad = await aggregator.RunAsync("bad", run => run.Phase == RunPhase.Waiting);
        Assert.Equal((Failing.Message, 0), (bad.Message, bad.Round));
        Assert.All(aggregator.Log.Errors, error => Assert.StartsWith("Run bad is held up", error, StringComparison.Ordinal));
        Assert.Equal(RunPhase.Cancelled, (await aggregator.Admin.CancelRunAsync(new RunRequest { RunId = "bad" }, aggregator.AsCoordinator())).Phase);
    }

    [Fact]
    public async Task A_run_that_cannot_be_taken_up_keeps_no_site_waiting()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        TestSite north = await aggregator.AddSiteAsync("north");
        SmallRun small = new(), other = new(inputs: 5);
        await aggregator.CreateRunAsync("bad", other);
        await aggregator.CreateRunAsync("good", small);
        TaskOffer first = await north.TaskAsync(), second = await north.TaskAsync(first.TaskId);
        (TaskOffer bad, TaskOffer good) = first.RunId == "bad" ? (first, second) : (second, first);
        await aggregator.RestartAsync(journal => journal.Hides = stream => stream == "run/bad");
        Assert.Equal(good.TaskId, (await north.TaskAsync(bad.TaskId)).TaskId);
        Assert.True((await north.AnswerAsync(good, small.Update())).IsAccepted);
        Assert.Equal(RunPhase.Completed, (await aggregator.EndOfAsync("good")).Phase);

        // When its journal can be read again it goes on by itself, and its models are there.
        aggregator.Journal.Hides = _ => false;
        Assert.Equal(bad.TaskId, (await north.TaskAsync()).TaskId);
        await north.AnswerAsync(bad, other.Update());
        Assert.Equal(RunPhase.Completed, (await aggregator.EndOfAsync("bad")).Phase);
    }

    [Fact]
    public async Task While_a_run_is_held_up_its_sites_keep_what_they_have()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync(settings => settings with { PollSeconds = 1, LivenessSeconds = 60 });
        TestSite north = await aggregator.AddSiteAsync("north"), south = await aggregator.AddSiteAsync("south");
        var large = new SmallRun(inputs: SmallRun.LargeInputs);
        byte[] update = large.Update();
        await south.JoinAsync();
        await aggregator.CreateRunAsync("run", large, north, south);
        TaskOffer answered = await north.TaskAsync(), task = await south.TaskAsync();
        UploadHead head = SmallRun.HeadOf(task.TaskId, update);
        await south.SendPartAsync(head, update, 0, 1000);

        // The journal loses that north has answered, and cannot be read for a while.
        aggregator.Journal.Loses = (_, kind) => kind == "replyTaken";
        aggregator.Journal.Hides = stream => stream == "run/run";
        Assert.True((await north.StreamAsync(SmallRun.HeadOf(answered.TaskId, update), update)).IsAccepted);
        await aggregator.RunAsync("run", run => run.Phase == RunPhase.Waiting);
        await Refusal.ThrowsAsync(StatusCode.Unavailable, "run.held-up", () => south.FindAsync(head));
        await Refusal.ThrowsAsync(StatusCode.Unavailable, "run.held-up", () => south.DownloadAsync(task.Model.Digest));
        await Refusal.ThrowsAsync(StatusCode.NotFound, "blob.unknown", () => south.DownloadAsync(head.Digest));
        Assert.False((await south.Edge.ReportProgressAsync(new ProgressRequest { TaskId = task.TaskId }, south.Options())).IsUnwanted);
        Assert.Equal(new NextTaskReply(), await south.Poll(task.TaskId));
        aggregator.Journal.Loses = (_, _) => false;
        aggregator.Journal.Hides = _ => false;
        Assert.Equal(task.TaskId, (await south.TaskAsync()).TaskId);
        Assert.Equal(new UploadState { Offset = 1000 }, await south.FindAsync(head));
        Assert.True((await south.StreamAsync(head, update, 1000)).IsAccepted);
        Assert.Equal(RunPhase.Completed, (await aggregator.EndOfAsync("run")).Phase);
        Assert.Contains("\"contributors\":2", Assert.Single(await aggregator.ReceiptsAsync("run")), StringComparison.Ordinal);
        Assert.Empty(aggregator.HalfUploadsOf("run"));
    }

    // A site that is in the middle of a task when the aggregator is restarted may be back before the runs are.
    [Fact]
    public async Task Until_a_run_is_taken_up_again_its_tasks_are_neither_unwanted_nor_without_what_they_need()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        TestSite north = await aggregator.AddSiteAsync("north");
        var small = new SmallRun();
        await aggregator.CreateRunAsync("run", small);
        TaskOffer task = await north.TaskAsync();
        var isRead = new TaskCompletionSource();
        await aggregator.RestartAsync(journal => journal.Waits = stream => stream == "run/run" ? isRead.Task : Task.CompletedTask);
        Task<byte[]> model = north.DownloadAsync(task.Model.Digest), definition = north.DownloadAsync(task.Definition.Digest);
        AsyncUnaryCall<ProgressReply> progress = north.Edge.ReportProgressAsync(new ProgressRequest { TaskId = task.TaskId }, north.Options());
        Assert.False((await north.JoinAsync()).Site.Length == 0);
        isRead.SetResult();
        Assert.Equal(small.Plan.CanonicalBytes.ToArray(), await definition);
        Assert.NotEmpty(await model);
        Assert.False((await progress).IsUnwanted);
        Assert.True((await north.AnswerAsync(task, small.Update())).IsAccepted);
    }

    internal sealed class Failing : FedAvg
    {
        public const string Message = "This strategy fails.";

        public override void Apply(UpdateSum sum, RoundContext round, ServerState state) => throw new InvalidOperationException(Message);
    }
}
