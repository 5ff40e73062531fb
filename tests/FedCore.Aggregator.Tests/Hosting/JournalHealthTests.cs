using FedCore.Aggregator.Hosting;
using FedCore.Tests;
using Microsoft.Extensions.Logging.Abstractions;

namespace FedCore.Aggregator.Tests.Hosting;

/// <summary>How often a journal is asked whether it is there, and how long it is waited for.</summary>
public class JournalHealthTests
{
    private readonly HandClock _clock = new();
    private int _probes;

    [Fact]
    public async Task However_many_want_to_know_it_is_asked_once_in_a_while()
    {
        var open = new TaskCompletionSource();
        JournalHealth health = Health(_ => new ValueTask(open.Task));
        Task<bool>[] storm = [.. Enumerable.Range(0, 1000).Select(_ => health.AnswersAsync())];
        open.SetResult();
        Assert.All(await Task.WhenAll(storm), Assert.True);
        _clock.Move(JournalHealth.GoodFor - TimeSpan.FromTicks(1));
        Assert.True(await health.AnswersAsync());
        Assert.Equal(1, _probes);
        _clock.Move(TimeSpan.FromTicks(1));
        Assert.True(await health.AnswersAsync());
        Assert.Equal(2, _probes);
    }

    [Fact]
    public async Task One_that_is_silent_is_not_waited_for()
    {
        var begun = new TaskCompletionSource();
        JournalHealth health = Health(_ =>
        {
            begun.SetResult();
            return new ValueTask(new TaskCompletionSource().Task);
        });
        Task<bool> answer = health.AnswersAsync();
        await begun.Task;
        Assert.False(answer.IsCompleted);
        _clock.Move(JournalHealth.Limit);
        Assert.False(await answer);
    }

    [Fact]
    public async Task One_that_is_back_is_there_again()
    {
        bool isAway = true;
        JournalHealth health = Health(_ => isAway ? ValueTask.FromException(new IOException("away")) : ValueTask.CompletedTask);
        Assert.False(await health.AnswersAsync());
        isAway = false;
        Assert.False(await health.AnswersAsync());
        _clock.Move(JournalHealth.GoodFor);
        Assert.True(await health.AnswersAsync());
    }

    private JournalHealth Health(Func<CancellationToken, ValueTask> probe) => new(
        ct =>
        {
            Interlocked.Increment(ref _probes);
            return probe(ct);
        },
        _clock, NullLogger.Instance);
}
