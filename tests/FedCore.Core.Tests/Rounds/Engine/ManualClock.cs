namespace FedCore.Core.Tests.Rounds.Engine;

/// <summary>A clock that stands still until a test moves it.</summary>
internal sealed class ManualClock : TimeProvider
{
    private readonly List<Alarm> _alarms = [];
    private DateTimeOffset _now = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    public DateTimeOffset? NextAlarm => _alarms.Count == 0 ? null : _alarms.Min(alarm => alarm.Due);

    public override DateTimeOffset GetUtcNow() => _now;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var alarm = new Alarm(this, () => callback(state));
        alarm.Change(dueTime, period);
        return alarm;
    }

    public void MoveTo(DateTimeOffset time)
    {
        while (NextAlarm <= time)
        {
            Alarm next = _alarms.MinBy(alarm => alarm.Due)!;
            _alarms.Remove(next);
            _now = next.Due;
            next.Ring();
        }

        _now = time;
    }

    private sealed class Alarm(ManualClock clock, Action ring) : ITimer
    {
        public DateTimeOffset Due { get; private set; }

        public void Ring() => ring();

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            Due = clock._now + dueTime;
            clock._alarms.Remove(this);
            if (dueTime != Timeout.InfiniteTimeSpan) clock._alarms.Add(this);
            return true;
        }

        public void Dispose() => clock._alarms.Remove(this);

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
