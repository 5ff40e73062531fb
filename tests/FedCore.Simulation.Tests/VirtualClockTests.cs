namespace FedCore.Simulation.Tests;

public class VirtualClockTests
{
    [Fact]
    public void Timers_fire_in_the_order_in_which_they_are_due_and_each_at_its_own_time()
    {
        var clock = new VirtualClock();
        DateTimeOffset start = clock.GetUtcNow();
        var fired = new List<(string, double)>();
        foreach ((string name, double due) in new[] { ("c", 3.0), ("a", 1.0), ("b", 2.0), ("late", 9.0) }) New(clock, due, name, fired);
        clock.AdvanceTo(start.AddSeconds(5));
        Assert.Equal([("a", 1), ("b", 2), ("c", 3)], fired);
        Assert.Equal(start.AddSeconds(5), clock.GetUtcNow());
    }

    [Fact]
    public void Timers_that_are_due_together_fire_in_the_order_in_which_they_were_set()
    {
        var clock = new VirtualClock();
        var fired = new List<(string, double)>();
        foreach (string name in new[] { "z", "a", "m" }) New(clock, 1, name, fired);
        clock.AdvanceTo(clock.GetUtcNow().AddSeconds(1));
        Assert.Equal(["z", "a", "m"], fired.Select(f => f.Item1));
    }

    [Fact]
    public void A_periodic_timer_fires_once_per_period()
    {
        var clock = new VirtualClock();
        int fired = 0;
        using ITimer timer = clock.CreateTimer(_ => fired++, null, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(2));
        clock.AdvanceTo(clock.GetUtcNow().AddSeconds(8));
        Assert.Equal(4, fired);
    }

    [Fact]
    public void A_disposed_timer_does_not_fire()
    {
        var clock = new VirtualClock();
        int fired = 0;
        clock.CreateTimer(_ => fired++, null, TimeSpan.FromSeconds(1), Timeout.InfiniteTimeSpan).Dispose();
        clock.AdvanceTo(clock.GetUtcNow().AddSeconds(8));
        Assert.Equal((0, null), (fired, clock.NextTimer));
    }

    [Fact]
    public void A_changed_timer_fires_at_its_new_time_only()
    {
        var clock = new VirtualClock();
        DateTimeOffset start = clock.GetUtcNow();
        var fired = new List<double>();
        using ITimer timer = clock.CreateTimer(_ => fired.Add((clock.GetUtcNow() - start).TotalSeconds), null, TimeSpan.FromSeconds(1), Timeout.InfiniteTimeSpan);
        timer.Change(TimeSpan.FromSeconds(4), Timeout.InfiniteTimeSpan);
        clock.AdvanceTo(start.AddSeconds(8));
        Assert.Equal([4], fired);
    }

    [Fact]
    public void A_timer_that_a_timer_sets_fires_on_the_same_way()
    {
        var clock = new VirtualClock();
        DateTimeOffset start = clock.GetUtcNow();
        var fired = new List<(string, double)>();
        clock.CreateTimer(_ => New(clock, 1, "second", fired), null, TimeSpan.FromSeconds(1), Timeout.InfiniteTimeSpan);
        New(clock, 3, "third", fired);
        clock.AdvanceTo(start.AddSeconds(3));
        Assert.Equal([("second", 2), ("third", 3)], fired);
    }

    [Fact]
    public void The_clock_never_goes_back()
    {
        var clock = new VirtualClock();
        DateTimeOffset later = clock.GetUtcNow().AddSeconds(5);
        clock.AdvanceTo(later);
        clock.AdvanceTo(later.AddSeconds(-3));
        Assert.Equal(later, clock.GetUtcNow());
    }

    [Fact]
    public void Elapsed_time_is_virtual_time()
    {
        var clock = new VirtualClock();
        long start = clock.GetTimestamp();
        clock.AdvanceTo(clock.GetUtcNow().AddSeconds(1.5));
        Assert.Equal(1.5, clock.GetElapsedTime(start).TotalSeconds);
    }

    private static void New(VirtualClock clock, double due, string name, List<(string, double)> fired)
    {
        DateTimeOffset start = new VirtualClock().GetUtcNow();
        clock.CreateTimer(_ => fired.Add((name, (clock.GetUtcNow() - start).TotalSeconds)), null, TimeSpan.FromSeconds(due), Timeout.InfiniteTimeSpan);
    }
}
