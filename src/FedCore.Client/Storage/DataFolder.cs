using FedCore.Hosting.Storage;

namespace FedCore.Client.Storage;

/// <summary>The folder in which a client keeps what must outlast it. It belongs to one process at a time.</summary>
internal sealed class DataFolder : IDisposable
{
    private readonly FileStream _lock;

    private DataFolder(string path, FileStream held, Disk disk)
    {
        (Path, _lock, Disk) = (path, held, disk);
        foreach (string folder in (string[])[Blobs, Outbox, Unsettled, Committing, State, Sums]) disk.CreateFolder(folder);
        Identity = ClientIdentity.Next(System.IO.Path.Combine(path, "client.json"), disk);
    }

    public string Path { get; }

    public Disk Disk { get; }

    public ClientIdentity Identity { get; }

    /// <summary>What was downloaded, by its digest.</summary>
    public string Blobs => Of("blobs");

    /// <summary>Updates on their way to the aggregator, a folder each.</summary>
    public string Outbox => Of("outbox");

    /// <summary>What was learned for updates that were acknowledged and may yet count, and results that are yet to be summed.</summary>
    public string Unsettled => Of("unsettled");

    /// <summary>What was learned for updates that count, while it becomes the client's state.</summary>
    public string Committing => Of("committing");

    /// <summary>What the client keeps from round to round, a folder per run.</summary>
    public string State => Of("state");

    /// <summary>The sums that the site has taken part in, a file per run and purpose.</summary>
    public string Sums => Of("sums");

    /// <summary>The site's privacy ledger, where the settings name none.</summary>
    public string Ledger => Of("privacy-ledger.jsonl");

    /// <summary>The site's private identity key, where the settings name none.</summary>
    public string IdentityKey => Of("identity.pem");

    /// <summary>The number of the last roster that was here.</summary>
    public string LastRoster => Of("roster.json");

    /// <summary>Opens the folder, which is made where it is not there.</summary>
    /// <exception cref="FedCoreException">Another process has it, or it cannot be written to (<c>client.folder</c>); there is no room (<c>client.full</c>).</exception>
    public static DataFolder Open(string path, Disk disk)
    {
        FileStream? held = null;
        try
        {
            disk.CreateFolder(path);
            held = new FileStream(
                System.IO.Path.Combine(path, "lock"), new FileStreamOptions { Mode = FileMode.OpenOrCreate, Access = FileAccess.ReadWrite, Share = FileShare.None, BufferSize = 0 });
            return new DataFolder(path, held, disk);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            held?.Dispose();
            if (DiskSpace.IsFull(fault))
                throw FedCoreException.Unreachable("client.full", $"There is no room on the disk of the data folder {Shown.Of(path, 400)}, or in its quota. Make room; delete nothing of the folder itself.", fault);
            string what = held is null && fault is IOException and not DirectoryNotFoundException
                ? "is in use by another client, or cannot be written to. Stop the other one, or give this one a dataFolder of its own"
                : "cannot be written to. Give this user the right to, or name another in dataFolder";
            throw FedCoreException.Configuration("client.folder", $"The data folder {Shown.Of(path, 400)} {what} ({Shown.Of(fault.Message.TrimEnd('.'), 400)}).", fault);
        }
        catch
        {
            held?.Dispose();
            throw;
        }
    }

    public void Dispose() => _lock.Dispose();

    private string Of(string name) => System.IO.Path.Combine(Path, name);
}
