namespace FedCore.Aggregator.Storage;

/// <summary>Keeps a second process away from files that have one owner. The operating system lets go of it with the process, however that ends.</summary>
internal sealed class InstanceLock : IDisposable
{
    private readonly FileStream _file;

    private InstanceLock(FileStream file) => _file = file;

    /// <summary>Takes the lock, or refuses at once.</summary>
    /// <param name="path">The lock's file, in a folder that exists. It stays when the lock goes.</param>
    /// <param name="code">The reason code of a refusal.</param>
    /// <param name="what">What is locked, as a message names it.</param>
    /// <exception cref="FedCoreException">Another process has it, or the file cannot be written.</exception>
    public static InstanceLock Take(string path, string code, string what)
    {
        var options = new FileStreamOptions { Mode = FileMode.OpenOrCreate, Access = FileAccess.ReadWrite, Share = FileShare.None, BufferSize = 0 };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = Disk.OwnersFile;
        try
        {
            return new InstanceLock(new FileStream(path, options));
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw FedCoreException.Configuration(
                code, $"{what} is in use by another process, or {path} is not yours to write to ({fault.Message}). Stop the other aggregator, or give this one a folder of its own.", fault);
        }
    }

    public void Dispose() => _file.Dispose();
}
