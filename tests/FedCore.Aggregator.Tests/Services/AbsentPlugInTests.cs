using FedCore.Naming;
using FedCore.Protocol.V1;
using FedCore.Strategies;

namespace FedCore.Aggregator.Tests.Services;

/// <summary>An aggregator that is started without the plug-in that some of its runs name.</summary>
public class AbsentPlugInTests
{
    private static readonly Registry Names = Registry.CreateDefault().Register<IStrategy, Other>("other");

    [Fact]
    public async Task Runs_that_are_over_are_listed_with_their_receipts_and_models()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync(names: Names);
        TestSite north = await aggregator.AddSiteAsync("north");
        var small = new SmallRun(strategy: "other", names: Names);
        await aggregator.CreateRunAsync("done", small);
        await north.AnswerAsync(await north.TaskAsync(), small.Update());
        Run done = await aggregator.EndOfAsync("done");
        IReadOnlyList<string> receipts = await aggregator.ReceiptsAsync("done");
        ListModelsReply models = await aggregator.Admin.ListModelsAsync(new RunRequest { RunId = "done" }, aggregator.AsCoordinator());
        await aggregator.CreateRunAsync("cancelled", small);
        Run cancelled = await aggregator.Admin.CancelRunAsync(new RunRequest { RunId = "cancelled" }, aggregator.AsCoordinator());

        await aggregator.RestartAsync(names: Registry.CreateDefault());
        Assert.Equal(done, await aggregator.RunAsync("done", run => run.EndCode.Length > 0 && run.ModelRound > 0));
        Assert.Equal(cancelled, await aggregator.EndOfAsync("cancelled"));
        Assert.Equal(receipts, await aggregator.ReceiptsAsync("done"));
        Assert.Equal(models, await aggregator.Admin.ListModelsAsync(new RunRequest { RunId = "done" }, aggregator.AsCoordinator()));
        Assert.Equal(2, models.Models.Count);
        Assert.Empty(aggregator.Log.Errors);
    }

    [Fact]
    public async Task A_run_that_is_not_over_is_held_up_alone_says_why_and_goes_on_when_the_plug_in_is_back()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync(names: Names);
        TestSite north = await aggregator.AddSiteAsync("north");
        SmallRun small = new(), other = new(strategy: "other", names: Names);
        await aggregator.CreateRunAsync("good", small);
        await aggregator.CreateRunAsync("bad", other);
        TaskOffer first = await north.TaskAsync(), second = await north.TaskAsync(first.TaskId);
        (TaskOffer bad, TaskOffer good) = first.RunId == "bad" ? (first, second) : (second, first);

        await aggregator.RestartAsync(names: Registry.CreateDefault());
        Run held = await aggregator.RunAsync("bad", run => run.Phase == RunPhase.Waiting && run.Message.Contains("other", StringComparison.Ordinal));
        Assert.Contains("strategy", held.Message, StringComparison.Ordinal);
        Assert.StartsWith("Run bad cannot go on: json.schema", Assert.Single(aggregator.Log.Errors), StringComparison.Ordinal);
        Assert.True((await north.AnswerAsync(await north.TaskAsync(), small.Update())).IsAccepted);
        Assert.Equal(RunPhase.Completed, (await aggregator.EndOfAsync("good")).Phase);
        Assert.NotEqual(good.TaskId, bad.TaskId);

        await aggregator.RestartAsync(names: Names);
        Assert.Equal(bad.TaskId, (await north.TaskAsync()).TaskId);
        Assert.True((await north.AnswerAsync(bad, other.Update())).IsAccepted);
        Assert.Equal(RunPhase.Completed, (await aggregator.EndOfAsync("bad")).Phase);
    }

    [Fact]
    public async Task A_run_that_is_held_up_for_want_of_it_can_be_cancelled()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync(names: Names);
        await aggregator.AddSiteAsync("north");
        await aggregator.CreateRunAsync("bad", new SmallRun(strategy: "other", names: Names));
        await aggregator.RestartAsync(names: Registry.CreateDefault());
        Assert.Equal(RunPhase.Cancelled, (await aggregator.Admin.CancelRunAsync(new RunRequest { RunId = "bad" }, aggregator.AsCoordinator())).Phase);
    }

    internal sealed class Other : FedAvg;
}
