namespace FedCore.Aggregator.Spooling;

/// <summary>How a spool is kept.</summary>
/// <param name="Folder">The folder, which the spool has for itself.</param>
internal sealed record SpoolOptions(string Folder)
{
    /// <summary>How long a segment grows before a new one is begun.</summary>
    /// <value>64 MiB.</value>
    public long SegmentBytes { get; init; } = 64L << 20;

    /// <summary>Where many updates come at once, the least time from one sync of a file to the next.</summary>
    /// <value>5 ms: at most 200 syncs a second.</value>
    public TimeSpan Spacing { get; init; } = TimeSpan.FromMilliseconds(5);

    /// <summary>How long an upload may lie unfinished and untouched.</summary>
    /// <value>3 days.</value>
    public TimeSpan UploadLimit { get; init; } = TimeSpan.FromDays(3);

    /// <summary>How many unfinished uploads stay open that nobody holds just now: as many as sites send at a time in pieces.</summary>
    /// <value>256: together some 25 MB.</value>
    public int MostLeftOpen { get; init; } = 256;

    /// <summary>Hears of what is found damaged.</summary>
    public Action<SpoolDamage>? Report { get; init; }
}

/// <summary>Bytes that are not what was written.</summary>
/// <param name="Path">The file, as it is named now.</param>
/// <param name="Offset">Where they begin.</param>
/// <param name="Length">How many they are.</param>
/// <param name="IsTail">Whether they are the end of a segment that was being written to when the process ended; such an end was not acknowledged, unless the disk lost it, and was cut off.</param>
internal sealed record SpoolDamage(string Path, long Offset, long Length, bool IsTail);
