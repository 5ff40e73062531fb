namespace FedCore.Hosting.Storage;

/// <summary>Tells a disk that has no room left from other faults.</summary>
internal static class DiskSpace
{
    /// <summary>What the operating system says of it.</summary>
    public static readonly int NoRoom = OperatingSystem.IsWindows() ? unchecked((int)0x80070070) : 28;

    /// <summary>Whether a fault says that there is no room left, on the disk or in a quota.</summary>
    public static bool IsFull(Exception fault)
    {
        const int quota = 122, tooLarge = 27, windowsHandleDiskFull = unchecked((int)0x80070027);
        return fault is IOException && (fault.HResult == NoRoom || (OperatingSystem.IsWindows() ? fault.HResult == windowsHandleDiskFull : fault.HResult is quota or tooLarge));
    }
}
