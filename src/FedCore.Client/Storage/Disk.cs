using System.Runtime.InteropServices;

namespace FedCore.Client.Storage;

/// <summary>
/// Changes files and folders. Each change is whole or not there, also where the process or the machine stops in between, and is on the disk when the call returns.
/// </summary>
internal partial class Disk
{
    private const UnixFileMode OwnersFolder = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    /// <summary>Creates a folder that only its owner may enter, and those above it, where they are not there.</summary>
    public void CreateFolder(string path)
    {
        if (Directory.Exists(path)) return;
        string full = Path.GetFullPath(path);
        if (Path.GetDirectoryName(full) is { } above) CreateFolder(above);
        Before($"create {full}");
        if (OperatingSystem.IsWindows()) Directory.CreateDirectory(full);
        else Directory.CreateDirectory(full, OwnersFolder);
        SyncAbove(full);
    }

    /// <summary>Writes a file, in place of one that may be there.</summary>
    public void Write(string path, ReadOnlySpan<byte> content)
    {
        string partial = path + ".partial";
        Before($"write {partial}");
        using (FileStream file = File.Create(partial))
        {
            file.Write(content);
            file.Flush(flushToDisk: true);
        }

        Move(partial, path);
    }

    /// <summary>Gives a file or a folder another name. A file of that name goes; a folder must not be there.</summary>
    public void Move(string from, string to)
    {
        Before($"move {from} to {to}");
        if (Directory.Exists(from)) Directory.Move(from, to);
        else File.Move(from, to, overwrite: true);
        SyncAbove(to);
        if (Path.GetDirectoryName(from) != Path.GetDirectoryName(to)) SyncAbove(from);
    }

    /// <summary>Deletes a file, if it is there.</summary>
    public void Delete(string path)
    {
        Before($"delete {path}");
        File.Delete(path);
    }

    /// <summary>Deletes a folder with all that is in it, if it is there. It is not whole: first goes the file that makes the folder count.</summary>
    /// <param name="path">The folder.</param>
    /// <param name="first">The file that goes first, and for good.</param>
    public void DeleteFolder(string path, string? first = null)
    {
        if (!Directory.Exists(path)) return;
        if (first is not null)
        {
            Delete(Path.Combine(path, first));
            SyncFolder(path);
        }

        Before($"delete {path}");
        Directory.Delete(path, recursive: true);
    }

    /// <summary>Returns when the names in a folder are on the disk. On Windows, whose file systems log names themselves, at once.</summary>
    public static void SyncFolder(string path)
    {
        if (OperatingSystem.IsWindows()) return;

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

    /// <summary>Comes before each change.</summary>
    protected virtual void Before(string change)
    {
    }

    private static void SyncAbove(string path)
    {
        if (Path.GetDirectoryName(path) is { Length: > 0 } above) SyncFolder(above);
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int FSync(int file);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int file);
}
