using FedCore.Hosting.Storage;
using Microsoft.Win32.SafeHandles;

namespace FedCore.Aggregator.Storage;

/// <summary>Makes what was written durable, counts how often, and creates files and folders that are their owner's alone.</summary>
internal class Disk
{
    /// <summary>What a file may be used for, where it is its owner's alone.</summary>
    public const UnixFileMode OwnersFile = UnixFileMode.UserRead | UnixFileMode.UserWrite;

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

    /// <summary>Returns when the names in a folder are on the disk; at once where they need no syncing.</summary>
    /// <exception cref="IOException">They may not be.</exception>
    public virtual void SyncFolder(string path)
    {
        if (Folders.NeedSync) Count(1);
        Folders.Sync(path);
    }

    /// <summary>Creates a folder that only its owner may enter, and those above it, where they are not there, and makes their names durable.</summary>
    /// <returns>Whether it was not there.</returns>
    public bool CreateFolder(string path)
    {
        IReadOnlyList<string> missing = Folders.Missing(path);
        foreach (string folder in missing)
        {
            Folders.Create(folder);
            if (Path.GetDirectoryName(folder) is { } above) SyncFolder(above);
        }

        return missing.Count > 0;
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
            throw new IOException(fault.Message, DiskSpace.NoRoom);
        }

        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(file, OwnersFile);
        return file;
    }

    /// <summary>Writes a file that only its owner may open, in place of one that may be there. It is whole and on the disk when the call returns, or not there.</summary>
    public void Write(string path, byte[] content)
    {
        string partial = path + ".partial";
        File.Delete(partial);
        using (SafeFileHandle file = CreateFile(partial))
        {
            RandomAccess.Write(file, content, 0);
            Sync(file);
        }

        File.Move(partial, path, overwrite: true);
        SyncFolder(Path.GetDirectoryName(path)!);
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
}
