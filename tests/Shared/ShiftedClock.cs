namespace FedCore.Tests;

/// <summary>The system's clock, which a test lets run ahead, or whose wall clock somebody sets anew.</summary>
internal sealed class ShiftedClock : TimeProvider
{
    private long _ahead, _set;

    public override long TimestampFrequency => System.TimestampFrequency;

    /// <summary>Is called whenever a time stamp is wanted.</summary>
    public Action? OnTimestamp { get; set; }

    public override long GetTimestamp()
    {
        OnTimestamp?.Invoke();
        return System.GetTimestamp() + (long)(TimeSpan.FromTicks(Volatile.Read(ref _ahead)).TotalSeconds * TimestampFrequency);
    }

    public override DateTimeOffset GetUtcNow() => System.GetUtcNow().AddTicks(Volatile.Read(ref _ahead) + Volatile.Read(ref _set));

    /// <summary>Time passes. Timers go on as they were.</summary>
    public void Pass(TimeSpan time) => Interlocked.Add(ref _ahead, time.Ticks);

    /// <summary>Somebody sets the wall clock.</summary>
    public void Set(TimeSpan by) => Interlocked.Add(ref _set, by.Ticks);
}
