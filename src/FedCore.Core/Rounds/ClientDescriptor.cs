namespace FedCore.Rounds;

/// <summary>What is known of a client. Null where the client has not said.</summary>
/// <param name="Index">Its place in the directory.</param>
/// <param name="Id">Its name.</param>
public sealed record ClientDescriptor(long Index, ClientId Id)
{
    private static readonly TimeSpan AwayPeriod = TimeSpan.FromSeconds(1);

    /// <summary>Processor cores that it may use.</summary>
    public int? Cores { get; init; }

    /// <summary>Memory that it may use, in bytes.</summary>
    public long? MemoryBytes { get; init; }

    /// <summary>Examples of this run's model that it trains on in a second, as a short calibration measured it.</summary>
    public double? ExamplesPerSecond { get; init; }

    /// <summary>Bytes per second to the client.</summary>
    public double? DownBytesPerSecond { get; init; }

    /// <summary>Bytes per second from the client.</summary>
    public double? UpBytesPerSecond { get; init; }

    /// <summary>When in a day it can take part; empty for always.</summary>
    public IReadOnlyList<AvailabilityWindow> Availability { get; init; } = [];

    /// <summary>Whether it is known not to be there now, and not when it comes.</summary>
    public bool IsAway { get; init; }

    /// <summary>How long it is until it can take part.</summary>
    /// <param name="time">The present.</param>
    /// <returns>Less than a day; zero where it can take part now. Of who is away, how long it is until one looks again.</returns>
    public TimeSpan TimeUntilAvailable(DateTimeOffset time)
    {
        if (IsAvailableAt(time)) return TimeSpan.Zero;
        if (IsAway) return AwayPeriod;
        TimeOnly now = TimeOnly.FromTimeSpan(time.UtcDateTime.TimeOfDay);
        return Availability.Min(window => window.From - now);
    }

    /// <summary>Whether it can take part at a time.</summary>
    /// <param name="time">The time.</param>
    /// <returns>True within a window, or where there is none, unless it is away.</returns>
    public bool IsAvailableAt(DateTimeOffset time) =>
        !IsAway && (Availability.Count == 0 || Availability.Any(window => window.Contains(TimeOnly.FromTimeSpan(time.UtcDateTime.TimeOfDay))));
}

/// <summary>A part of every day.</summary>
public sealed record AvailabilityWindow
{
    /// <summary>Its beginning in UTC, such as <c>"22:00"</c>.</summary>
    public required TimeOnly From { get; init; }

    /// <summary>Its end in UTC, not included. An end before the beginning is that of the next day; the same time is a whole day.</summary>
    public required TimeOnly To { get; init; }

    /// <summary>Whether a time of the day lies in it.</summary>
    /// <param name="time">The time, UTC.</param>
    /// <returns>True if it does.</returns>
    public bool Contains(TimeOnly time) => From == To || time.IsBetween(From, To);
}

/// <summary>All clients of a fleet, without a list of them.</summary>
public interface IClientDirectory
{
    /// <summary>How many there are.</summary>
    long Count { get; }

    /// <summary>One of them.</summary>
    /// <param name="index">0 to <see cref="Count"/> - 1.</param>
    /// <returns>What is known of it.</returns>
    ClientDescriptor Get(long index);
}
