using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace FedCore.Hosting.Storage;

/// <summary>
/// Has the disk begin with a file while it is still being written, so that little is left to do when it is synced. It makes nothing durable. Where the system
/// knows no such thing, the disk begins when the system thinks fit.
/// </summary>
/// <param name="file">The file, which is written from its beginning to its end.</param>
internal sealed partial class EarlyWrites(SafeFileHandle file)
{
    // Long enough for the disk, and not so long that much is left at the end.
    private const long Stride = 1 << 20;

    // SYNC_FILE_RANGE_WRITE: begins to write what is dirty, and waits for nothing of it.
    private const uint Begin = 2;

    private long _begun;

    /// <summary>Takes note of what was written.</summary>
    /// <param name="end">Where the next byte goes.</param>
    public void Wrote(long end)
    {
        if (!OperatingSystem.IsLinux() || end - _begun < Stride) return;

        // Whole strides: a page that is not full yet would be written twice. What a file system says of it does not matter; the sync will say it again.
        long begin = _begun;
        _begun = end / Stride * Stride;
        _ = SyncFileRange(file, begin, _begun - begin, Begin);
    }

    [LibraryImport("libc", EntryPoint = "sync_file_range")]
    private static partial int SyncFileRange(SafeFileHandle file, long offset, long count, uint flags);
}
