using System.Runtime.InteropServices;

namespace FedCore.Hosting.Storage;

/// <summary>Creates folders that are their owner's alone, and makes the names in folders durable.</summary>
internal static partial class Folders
{
    private const UnixFileMode Owners = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    /// <summary>Whether names in folders must be synced: the file systems of Windows log them themselves.</summary>
    public static bool NeedSync => !OperatingSystem.IsWindows();

    /// <summary>A folder and those above it, as far as they are not there: the highest first.</summary>
    public static IReadOnlyList<string> Missing(string path)
    {
        var missing = new List<string>();
        for (string? folder = Path.GetFullPath(path); folder is not null && !Directory.Exists(folder); folder = Path.GetDirectoryName(folder)) missing.Insert(0, folder);
        return missing;
    }

    /// <summary>Creates a folder that only its owner may enter. Its name is not durable yet.</summary>
    /// <param name="path">The folder, in one that is there.</param>
    public static void Create(string path)
    {
        if (OperatingSystem.IsWindows()) Directory.CreateDirectory(path);
        else Directory.CreateDirectory(path, Owners);
    }

    /// <summary>Returns when the names in a folder are on the disk; at once where they need no syncing.</summary>
    /// <exception cref="IOException">They may not be.</exception>
    public static void Sync(string path)
    {
        if (!NeedSync) return;

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

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int FSync(int file);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int file);
}
