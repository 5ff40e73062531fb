using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace FedCore.Aggregator.Storage;

/// <summary>Makes what was written durable, counts how often, and creates files and folders that are their owner's alone.</summary>
internal partial class Disk
{
    private const UnixFileMode OwnersFile = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode OwnersFolder = OwnersFile | UnixFileMode.UserExecute;

    private const int NoSpace = 28, WindowsDiskFull = unchecked((int)0x80070070);

    // .NET says no more than this of room that it could not reserve.
    private const int CannotReserve = unchecked((int)0x80131620);

    private long _syncs;

    /// <summary>How often something was made durable, by this object or, as they report it, by libraries.</summary>
    public long Syncs => Volatile.Read(ref _syncs);

    /// <summary>Counts what a library made durable.</summary>
    public void Count(int syncs) => Interlocked.Add(ref _syncs, syncs);

    /// <summary>Returns when a file's content and length are on the disk.</summary>
    /// <exception cref="IOException">They may not be; the operating system may have dropped what it could not write.</exception>
    public virtual void Sync(SafeFileHandle file)
    {
        Count(1);
        RandomAccess.FlushToDisk(file);
    }

    /// <summary>Returns when the names in a folder are on the disk. On Windows, whose file systems log names themselves, at once.</summary>
    /// <exception cref="IOException">They may not be.</exception>
    public virtual void SyncFolder(string path)
    {
        if (OperatingSystem.IsWindows()) return;
        Count(1);

        // .NET opens no folders. Some network file systems know no syncing of them and say so.
        const int invalid = 22;
        int folder = Open(path, 0);
        try
        {
            if (folder < 0 || (FSync(folder) < 0 && Marshal.GetLastPInvokeError() != invalid))
                throw new IOException($"{path}: {Marshal.GetLastPInvokeErrorMessage()}", Marshal.GetLastPInvokeError());
        }
        finally
        {
            if (folder >= 0) _ = Close(folder);
        }
    }

    /// <summary>Creates a folder that only its owner may enter, and makes its name durable.</summary>
    /// <returns>Whether it was not there.</returns>
    public bool CreateFolder(string path)
    {
        if (Directory.Exists(path)) return false;
        string full = Path.GetFullPath(path);
        if (Path.GetDirectoryName(full) is { } parent) CreateFolder(parent);
        if (OperatingSystem.IsWindows()) Directory.CreateDirectory(full);
        else Directory.CreateDirectory(full, OwnersFolder);
        if (Path.GetDirectoryName(full) is { } above) SyncFolder(above);
        return true;
    }

    /// <summary>Creates a file that only its owner may open. Its name is not durable yet.</summary>
    /// <param name="path">The file, which must not exist.</param>
    /// <param name="reserved">Bytes to find room for now, so that a full disk shows before they are written; the file's length is 0 nevertheless.</param>
    public static SafeFileHandle CreateFile(string path, long reserved = 0)
    {
        SafeFileHandle file;
        try
        {
            file = File.OpenHandle(path, FileMode.CreateNew, FileAccess.ReadWrite, Sharing, preallocationSize: reserved);
        }
        catch (IOException fault) when (reserved > 0 && fault.HResult == CannotReserve)
        {
            throw new IOException(fault.Message, OperatingSystem.IsWindows() ? WindowsDiskFull : NoSpace);
        }

        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(file, OwnersFile);
        return file;
    }

    /// <summary>How many bytes this process may yet write to the disk of a folder; null where it cannot be told.</summary>
    public static long? FreeBytes(string folder)
    {
        try
        {
            return new DriveInfo(folder).AvailableFreeSpace;
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return null;
        }
    }

    /// <summary>How files are opened here that others may read, rename and delete meanwhile.</summary>
    public const FileShare Sharing = FileShare.ReadWrite | FileShare.Delete;

    /// <summary>Whether a fault says that there is no room left, on the disk or in a quota.</summary>
    public static bool IsFull(Exception fault)
    {
        const int quota = 122, tooLarge = 27, windowsHandleDiskFull = unchecked((int)0x80070027);
        return fault is IOException
            && (OperatingSystem.IsWindows() ? fault.HResult is WindowsDiskFull or windowsHandleDiskFull : fault.HResult is NoSpace or quota or tooLarge);
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int FSync(int file);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int file);
}
