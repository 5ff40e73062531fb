using FedCore.Aggregator.Tests.Services;
using FedCore.Protocol.V1;

namespace FedCore.Aggregator.Tests.Hosting;

/// <summary>What ends calls and tasks that have waited long enough.</summary>
public class SweepTests
{
    [Fact]
    public async Task A_sweep_that_fails_is_told_of_and_others_follow()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync(settings => settings with { PollSeconds = 1 });
        TestSite north = await aggregator.JoinedAsync("north");
        aggregator.Clock.OnTimestamp = () => throw new InvalidOperationException("The clock stands still.");
        await TestAggregator.UntilAsync(() => Task.FromResult(aggregator.Log.Errors.Count > 0));
        aggregator.Clock.OnTimestamp = null;
        Assert.Contains("it is tried again in a moment System.InvalidOperationException: The clock stands still.", aggregator.Log.Errors[0], StringComparison.Ordinal);
        Assert.Equal(new NextTaskReply(), await north.Poll());
    }
}
