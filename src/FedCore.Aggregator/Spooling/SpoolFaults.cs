using FedCore.Hosting.Storage;

namespace FedCore.Aggregator.Spooling;

/// <summary>What goes wrong with the disk, as the spool says it.</summary>
internal static class SpoolFaults
{
    /// <summary>The code of an update for which there was no room.</summary>
    public const string Full = "spool.full";

    /// <summary>The code of an update that could not be written.</summary>
    public const string Write = "spool.write";

    /// <summary>The code of an update that may not be on the disk, though it was written.</summary>
    public const string Sync = "spool.sync";

    /// <summary>The code of an update that could not be read.</summary>
    public const string Unreadable = "spool.read";

    /// <summary>An update that was kept could not be read.</summary>
    public static FedCoreException NotRead(string path, Exception fault) =>
        FedCoreException.RunFailed(Unreadable, $"{path}: an update that was kept cannot be read: {fault.Message}", fault);

    /// <summary>An update could not be written.</summary>
    public static FedCoreException NotWritten(string path, Exception fault) => DiskSpace.IsFull(fault)
        ? FedCoreException.RunFailed(Full, $"{path}: there is no room for an update on the disk, or in its quota. Make room; the client sends the update again.", fault)
        : FedCoreException.RunFailed(Write, $"{path}: an update could not be written: {fault.Message}", fault);

    /// <summary>An update was written, and could not be made durable.</summary>
    public static FedCoreException NotSynced(string path, Exception fault) => DiskSpace.IsFull(fault)
        ? NotWritten(path, fault)
        : FedCoreException.RunFailed(Sync, $"{path}: the disk did not confirm that an update is kept: {fault.Message} The client sends it again. Look at the disk.", fault);
}
