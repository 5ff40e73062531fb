using FedCore.Protocol.V1;

namespace FedCore.Aggregator.Tests.Services;

/// <summary>Rounds of which some sites are not there, or do not want to take part.</summary>
public class AbsentSiteTests
{
    [Fact]
    public async Task A_round_of_some_sites_asks_those_that_are_there()
    {
        const int rounds = 20;
        await using TestAggregator aggregator = await TestAggregator.StartAsync(settings => settings with { LivenessSeconds = 1 });
        var sites = new List<TestSite>();
        for (int i = 0; i < 6; i++) sites.Add(await aggregator.AddSiteAsync($"site-{i}"));

        // A site that was just added may yet come.
        await Task.Delay(TimeSpan.FromSeconds(1.2), TestContext.Current.CancellationToken);
        var run = new SmallRun(rounds, share: 0.34, reports: 2);
        TestSite[] present = [sites[1], sites[4]];
        Task[] working = [.. present.Select(async site =>
        {
            for (int round = 1; round <= rounds; round++) await site.AnswerAsync(await site.TaskAsync(), run.Update());
        })];
        await aggregator.CreateRunAsync("run", run);
        await Task.WhenAll(working);
        Assert.Equal(RunPhase.Completed, (await aggregator.EndOfAsync("run")).Phase);
        Assert.All(await aggregator.ReceiptsAsync("run"), receipt => Assert.Contains("\"contributors\":2", receipt, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Behind_an_abandoned_round_a_run_waits_and_says_so()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        TestSite north = await aggregator.JoinedAsync("north"), south = await aggregator.JoinedAsync("south");
        var run = new SmallRun(rounds: 2, reports: 2);
        await aggregator.CreateRunAsync("run", run);
        await north.AnswerAsync(await north.TaskAsync(), run.Update());
        await south.Edge.DeclineTaskAsync(new DeclineRequest { TaskId = (await south.TaskAsync()).TaskId, Reason = "client.memory" }, south.Options());
        Run waiting = await aggregator.RunAsync("run", run => run.Phase == RunPhase.Waiting);
        Assert.Equal("1 round was abandoned; the next one begins 1 s later", waiting.Message);
        foreach (TestSite site in (TestSite[])[north, south]) await site.AnswerAsync(await site.TaskAsync(), run.Update());
        Assert.Equal((RunPhase.Completed, 2), ((await aggregator.EndOfAsync("run")).Phase, (await aggregator.ReceiptsAsync("run")).Count));
    }
}
