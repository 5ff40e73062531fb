namespace FedCore.Simulation;

/// <summary>A clock that stands still until somebody moves it on. Timers fire, in order, when it passes them.</summary>
public sealed class VirtualClock : TimeProvider
{
    private readonly PriorityQueue<VirtualTimer, (DateTimeOffset Due, long Sequence)> _timers = new();
    private DateTimeOffset _now = new(2000, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private long _sequence;

    /// <summary>When the next timer is due, or null.</summary>
    public DateTimeOffset? NextTimer
    {
        get
        {
            while (_timers.TryPeek(out VirtualTimer? timer, out (DateTimeOffset Due, long Sequence) key))
            {
                if (timer.IsDueAt(key.Sequence)) return key.Due;
                _timers.Dequeue();
            }

            return null;
        }
    }

    /// <inheritdoc/>
    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    /// <inheritdoc/>
    public override DateTimeOffset GetUtcNow() => _now;

    /// <inheritdoc/>
    public override long GetTimestamp() => _now.UtcTicks;

    /// <summary>Moves the clock on. Every timer that falls due fires at its own time.</summary>
    /// <param name="time">The new time; an earlier one than now changes nothing.</param>
    public void AdvanceTo(DateTimeOffset time)
    {
        while (NextTimer is { } due && due <= time)
        {
            VirtualTimer timer = _timers.Dequeue();
            if (due > _now) _now = due;
            timer.Fire();
        }

        if (time > _now) _now = time;
    }

    /// <inheritdoc/>
    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new VirtualTimer(this, callback, state);
        timer.Change(dueTime, period);
        return timer;
    }

    private sealed class VirtualTimer(VirtualClock clock, TimerCallback callback, object? state) : ITimer
    {
        private const long NotDue = -1;
        private long _due = NotDue;
        private TimeSpan _period;

        public bool IsDueAt(long sequence) => _due == sequence;

        public void Fire()
        {
            _due = NotDue;
            if (_period > TimeSpan.Zero) Change(_period, _period);
            callback(state);
        }

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            _period = period;
            _due = NotDue;
            if (dueTime == Timeout.InfiniteTimeSpan) return true;
            _due = clock._sequence++;
            clock._timers.Enqueue(this, (clock._now + dueTime, _due));
            return true;
        }

        public void Dispose() => _due = NotDue;

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
