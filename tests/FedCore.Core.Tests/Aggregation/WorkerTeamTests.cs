using FedCore.Aggregation;

namespace FedCore.Core.Tests.Aggregation;

public class WorkerTeamTests
{
    private static readonly TimeSpan Hang = TimeSpan.FromSeconds(30);

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(5)]
    public async Task Each_worker_starts_the_work_once_on_a_thread_of_its_own(int workers)
    {
        using var team = new WorkerTeam(workers);
        using var all = new Barrier(workers);
        int starts = 0;
        await team.RunAsync(workers, () =>
        {
            Interlocked.Increment(ref starts);
            Assert.True(all.SignalAndWait(Hang, TestContext.Current.CancellationToken), "The workers do not run at the same time.");
            return Task.CompletedTask;
        });
        Assert.Equal(workers, starts);
    }

    // Behind a pause of 5 ms the members sleep; without one they are still awake.
    [Theory]
    [InlineData(0, 2000)]
    [InlineData(5, 40)]
    public async Task A_team_can_be_used_again_whether_it_sleeps_or_not(int pauseMilliseconds, int times)
    {
        using var team = new WorkerTeam(3);
        int starts = 0;
        for (int i = 0; i < times; i++)
        {
            await team.RunAsync(3, () =>
            {
                Interlocked.Increment(ref starts);
                return Task.CompletedTask;
            }).WaitAsync(Hang, TestContext.Current.CancellationToken);
            if (pauseMilliseconds > 0) await Task.Delay(pauseMilliseconds, TestContext.Current.CancellationToken);
        }

        Assert.Equal(3 * times, starts);
    }

    [Fact]
    public async Task Work_that_waits_is_waited_for()
    {
        using var team = new WorkerTeam(2);
        int ended = 0;
        await team.RunAsync(2, async () =>
        {
            await Task.Delay(20, TestContext.Current.CancellationToken);
            Interlocked.Increment(ref ended);
        });
        Assert.Equal(2, ended);
    }

    // Whoever fails cancels the others, and may be the last to say so.
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_fault_surfaces_when_all_have_ended_and_the_team_goes_on(bool cancelsFirst)
    {
        using var team = new WorkerTeam(2);
        int calls = 0, ended = 0;
        var other = new TaskCompletionSource();
        await Assert.ThrowsAsync<TimeZoneNotFoundException>(() => team.RunAsync(2, async () =>
        {
            bool cancels = Interlocked.Increment(ref calls) == 1, isFirst = cancels == cancelsFirst;
            if (!isFirst)
            {
                await other.Task;
                await Task.Delay(20, TestContext.Current.CancellationToken);
                Interlocked.Increment(ref ended);
            }

            other.TrySetResult();
            throw cancels ? new OperationCanceledException() : new TimeZoneNotFoundException();
        }));
        Assert.Equal(1, ended);
        await team.RunAsync(2, () => Task.CompletedTask).WaitAsync(Hang, TestContext.Current.CancellationToken);
    }
}
