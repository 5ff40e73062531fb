using FedCore.Protocol.V1;

namespace FedCore.Aggregator.Tests.Services;

/// <summary>A wall clock that somebody sets in mid-round.</summary>
public class ClockTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(-1)]
    public async Task An_hour_more_or_less_throws_nobody_out_and_ends_no_round(int hours)
    {
        const double seconds = 600;
        await using TestAggregator aggregator = await TestAggregator.StartAsync(settings => settings with { PollSeconds = 1, LivenessSeconds = 60 });
        TestSite north = await aggregator.AddSiteAsync("north"), south = await aggregator.AddSiteAsync("south"), west = await aggregator.AddSiteAsync("west");
        var small = new SmallRun(rounds: 2, deadline: seconds);
        await south.JoinAsync();
        await aggregator.CreateRunAsync("run", small, north, south);
        TaskOffer done = await north.TaskAsync();
        await north.AnswerAsync(done, small.Update());
        aggregator.Clock.Set(TimeSpan.FromHours(hours));

        // When this call is over, whoever was silent for long has been looked for.
        Assert.Equal(new NextTaskReply(), await west.Poll());
        Assert.Equal("1 of 2 reports", (await aggregator.RunAsync("run")).Message.Split(": ")[1]);
        Assert.True((await aggregator.SiteAsync("north")).IsConnected);
        TaskOffer task = await south.TaskAsync();
        Assert.InRange(task.DeadlineMilliseconds, 500_000, (long)(seconds * 1000));
        await south.AnswerAsync(task, small.Update());
        foreach (TestSite site in (TestSite[])[north, south]) await site.AnswerAsync(await site.TaskAsync(done.TaskId, task.TaskId), small.Update());
        Assert.Equal(RunPhase.Completed, (await aggregator.EndOfAsync("run")).Phase);
        Assert.All(await aggregator.ReceiptsAsync("run"), receipt => Assert.Contains("\"contributors\":2", receipt, StringComparison.Ordinal));
    }
}
