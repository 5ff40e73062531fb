using FedCore.Client.Tasks;
using FedCore.Tests;

namespace FedCore.Client.Tests.Tasks;

public sealed class WorkProgressTests
{
    private const int Patience = 120;

    private readonly HandClock _clock = new();

    [Fact]
    public void Work_whose_batches_nobody_counts_never_hangs()
    {
        var progress = new WorkProgress(_clock, TimeSpan.FromSeconds(Patience), null);
        Assert.Null(SecondsUntilItHangs(progress, null));
    }

    [Fact]
    public void The_first_batch_may_take_ten_times_the_patience()
    {
        var progress = new WorkProgress(_clock, TimeSpan.FromSeconds(Patience), 7);
        Assert.Equal(10 * Patience + 5, SecondsUntilItHangs(progress, 7));
        Assert.Equal(10 * Patience + 5, progress.Silence.TotalSeconds);
    }

    [Theory]
    [InlineData(5, Patience + 5)]
    [InlineData(60, 600 + 5)]
    public void A_batch_may_take_the_patience_or_ten_times_the_slowest_before_it(int slowest, int expected)
    {
        var progress = new WorkProgress(_clock, TimeSpan.FromSeconds(Patience), 0);
        foreach (int seconds in (int[])[5, slowest, 5])
        {
            for (int passed = 5; passed < seconds; passed += 5) Assert.False(Look(progress, _batches));
            Assert.False(Look(progress, ++_batches));
        }

        Assert.Equal(expected, SecondsUntilItHangs(progress, _batches));
    }

    // As when a machine is suspended, or a debugger holds the process.
    [Fact]
    public void A_process_that_stood_still_itself_does_not_take_its_work_for_hung()
    {
        var progress = new WorkProgress(_clock, TimeSpan.FromSeconds(Patience), 0);
        Assert.False(Look(progress, ++_batches));
        _clock.Move(TimeSpan.FromDays(3));
        Assert.False(progress.Hangs(_batches));
        Assert.Equal(Patience / 2 + 5, SecondsUntilItHangs(progress, _batches));
    }

    private long _batches;

    private bool Look(WorkProgress progress, long? batches)
    {
        _clock.Move(TimeSpan.FromSeconds(5));
        return progress.Hangs(batches);
    }

    private int? SecondsUntilItHangs(WorkProgress progress, long? batches)
    {
        for (int seconds = 5; seconds < 10_000; seconds += 5)
            if (Look(progress, batches)) return seconds;
        return null;
    }
}
