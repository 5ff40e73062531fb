using FedCore.Client.Connection;
using FedCore.Tests;

namespace FedCore.Client.Tests.Connection;

public class BackoffTests
{
    [Fact]
    public void Limits_double_from_a_second_to_a_minute_and_begin_again_after_a_success()
    {
        var backoff = new Backoff(TimeProvider.System, () => 1);
        Assert.Equal([1, 2, 4, 8, 16, 32, 60, 60], Enumerable.Range(0, 8).Select(_ => backoff.Next().TotalSeconds));
        backoff.Reset();
        Assert.Equal(1, backoff.Next().TotalSeconds);
    }

    // Marc Brooker's "full jitter": uniform from 0 to the limit. The mean of 4,000 draws up to 1 s is within 0.5 +- 5 standard errors, and no tenth is empty.
    [Fact]
    public void Waits_are_spread_evenly_below_the_limit()
    {
        var backoff = new Backoff(TimeProvider.System);
        double[] waits = [.. Enumerable.Range(0, 4000).Select(_ =>
        {
            backoff.Reset();
            return backoff.Next().TotalSeconds;
        })];
        Assert.All(waits, wait => Assert.InRange(wait, 0, 1));
        Assert.InRange(waits.Average(), 0.5 - 5 * 0.2887 / Math.Sqrt(4000), 0.5 + 5 * 0.2887 / Math.Sqrt(4000));
        Assert.Equal(10, waits.Select(wait => (int)(wait * 10)).Distinct().Count(tenth => tenth < 10));
    }

    [Fact]
    public async Task A_wait_ends_with_its_time_and_not_before()
    {
        var clock = new HandClock();
        Task wait = new Backoff(clock).WaitAsync(TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken);
        clock.Move(TimeSpan.FromSeconds(9.9));
        Assert.False(wait.IsCompleted);
        clock.Move(TimeSpan.FromSeconds(0.1));
        await wait;
    }

    [Fact]
    public async Task A_wait_ends_sooner_where_there_is_something_to_do_or_when_it_is_cancelled()
    {
        var clock = new HandClock();
        var sooner = new TaskCompletionSource();
        Task wait = new Backoff(clock).WaitAsync(TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken, sooner.Task);
        sooner.SetResult();
        await wait;
        using var cancelled = new CancellationTokenSource();
        Task other = new Backoff(clock).WaitAsync(TimeSpan.FromSeconds(10), cancelled.Token);
        await cancelled.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => other);
        Assert.Equal(0, clock.Waiting);
    }
}
