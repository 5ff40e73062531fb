using FedCore.Naming;
using FedCore.Protocol.V1;
using FedCore.Strategies;
using FedCore.Updates;

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

        Assert.Equal(RunPhase.Completed, (await aggregator.RunAsync("good", run => run.EndCode.Length > 0)).Phase);
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
        var small = new SmallRun();
        await aggregator.CreateRunAsync("bad", small);
        await aggregator.CreateRunAsync("good", small);
        TaskOffer first = await north.TaskAsync(), second = await north.TaskAsync(first.TaskId);
        (TaskOffer bad, TaskOffer good) = first.RunId == "bad" ? (first, second) : (second, first);
        await aggregator.RestartAsync(journal => journal.Hides = stream => stream == "run/bad");
        Assert.Equal(good.TaskId, (await north.TaskAsync(bad.TaskId)).TaskId);
        Assert.True((await north.AnswerAsync(good, small.Update())).IsAccepted);
        Assert.Equal(RunPhase.Completed, (await aggregator.RunAsync("good", run => run.EndCode.Length > 0)).Phase);

        // When its journal can be read again it goes on by itself.
        aggregator.Journal.Hides = _ => false;
        Assert.Equal(bad.TaskId, (await north.TaskAsync()).TaskId);
        await north.AnswerAsync(bad, small.Update());
        Assert.Equal(RunPhase.Completed, (await aggregator.RunAsync("bad", run => run.EndCode.Length > 0)).Phase);
    }

    internal sealed class Failing : FedAvg
    {
        public const string Message = "This strategy fails.";

        public override void Apply(UpdateSum sum, RoundContext round, ServerState state) => throw new InvalidOperationException(Message);
    }
}
