using FedCore.Hosting.Storage;
using Microsoft.Win32.SafeHandles;

namespace FedCore.Client.Storage;

/// <summary>
/// Changes files and folders. Each change is whole or not there, also where the process or the machine stops in between, and is on the disk when the call returns.
/// </summary>
internal class Disk
{
    /// <summary>Creates a folder that only its owner may enter, and those above it, where they are not there.</summary>
    public void CreateFolder(string path)
    {
        foreach (string folder in Folders.Missing(path))
        {
            Before($"create {folder}");
            Folders.Create(folder);
            SyncAbove(folder);
        }
    }

    /// <summary>Writes a file, in place of one that may be there.</summary>
    public void Write(string path, ReadOnlySpan<byte> content)
    {
        string partial = path + ".partial";
        Before($"write {partial}");
        using (var file = CreateFile(partial))
        {
            file.Write(content);
            file.Flush();
            Sync(file.SafeFileHandle, partial);
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

    /// <summary>Returns when a file's content is on the disk. Its name may not be.</summary>
    /// <param name="file">The file.</param>
    /// <param name="path">Where it is.</param>
    /// <exception cref="IOException">It may not be.</exception>
    public virtual void Sync(SafeFileHandle file, string path) => RandomAccess.FlushToDisk(file);

    /// <summary>Returns when the names in a folder are on the disk.</summary>
    /// <exception cref="IOException">They may not be.</exception>
    public virtual void SyncFolder(string path) => Folders.Sync(path);

    /// <summary>Comes before each change.</summary>
    protected virtual void Before(string change)
    {
    }

    // For its owner alone: the folder may have been there before, for everybody to enter.
    private static FileStream CreateFile(string path)
    {
        var options = new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        return new FileStream(path, options);
    }

    private void SyncAbove(string path)
    {
        if (Path.GetDirectoryName(path) is { Length: > 0 } above) SyncFolder(above);
    }
}
