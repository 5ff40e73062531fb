using System.Diagnostics;
using FedCore.Aggregator.Spooling;

namespace FedCore.Aggregator.Tests.Spooling;

public class GroupCommitterTests
{
    private static readonly TimeSpan Spacing = TimeSpan.FromMilliseconds(20);

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    // Each waits for the one before: to hold them back 20 ms each would take 10 s and bring nothing.
    [Fact]
    public async Task One_caller_at_a_time_is_soon_not_kept_waiting()
    {
        long start = Stopwatch.GetTimestamp();
        using var committer = new GroupCommitter<TaskCompletionSource>("test", Spacing, TimeProvider.System, Complete);
        for (int i = 0; i < 500; i++) await CommitAsync(committer);
        Assert.InRange(Stopwatch.GetElapsedTime(start).TotalSeconds, 0, 5);
    }

    [Fact]
    public async Task Many_callers_gather()
    {
        int commits = 0, committed = 0;
        using var committer = new GroupCommitter<TaskCompletionSource>("test", Spacing, TimeProvider.System, batch =>
        {
            commits++;
            committed += batch.Count;
            return Complete(batch);
        });
        await Task.WhenAll(Enumerable.Range(0, 100).Select(_ => Task.Run(
            async () =>
            {
                for (int i = 0; i < 20; i++) await CommitAsync(committer);
            },
            Ct)));
        Assert.Equal(2000, committed);
        Assert.InRange(commits, 20, 200);
    }

    [Fact]
    public async Task What_comes_during_a_commit_is_the_next_one()
    {
        using var entered = new SemaphoreSlim(0);
        using var release = new ManualResetEventSlim();
        var sizes = new List<int>();
        using (var committer = new GroupCommitter<TaskCompletionSource>("test", TimeSpan.Zero, TimeProvider.System, batch =>
        {
            sizes.Add(batch.Count);
            entered.Release();
            release.Wait();
            return Complete(batch);
        }))
        {
            Task first = CommitAsync(committer);
            await entered.WaitAsync(Ct);
            Task[] others = [.. Enumerable.Range(0, 5000).Select(_ => CommitAsync(committer))];
            release.Set();
            await first;
            await Task.WhenAll(others);
        }

        Assert.Equal([1, 5000], sizes);
    }

    [Fact]
    public async Task Closing_commits_what_was_brought_and_takes_nothing_later()
    {
        using var entered = new SemaphoreSlim(0);
        using var release = new ManualResetEventSlim();
        var committer = new GroupCommitter<TaskCompletionSource>("test", Spacing, TimeProvider.System, batch =>
        {
            entered.Release();
            release.Wait();
            return Complete(batch);
        });
        Task first = CommitAsync(committer);
        await entered.WaitAsync(Ct);
        Task second = CommitAsync(committer);
        Task closing = Task.Run(committer.Dispose, Ct);
        release.Set();
        await closing;
        Assert.True(first.IsCompletedSuccessfully && second.IsCompletedSuccessfully);
        Assert.Throws<ObjectDisposedException>(() => committer.Enqueue(new TaskCompletionSource()));
    }

    private static Task CommitAsync(GroupCommitter<TaskCompletionSource> committer)
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        committer.Enqueue(done);
        return done.Task;
    }

    private static int Complete(List<TaskCompletionSource> batch)
    {
        foreach (TaskCompletionSource one in batch) one.SetResult();
        return 1;
    }
}
