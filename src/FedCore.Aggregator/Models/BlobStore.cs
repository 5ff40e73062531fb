using System.Security.Cryptography;
using FedCore.Aggregator.Storage;
using FedCore.Hosting.Storage;
using Microsoft.Win32.SafeHandles;

namespace FedCore.Aggregator.Models;

/// <summary>
/// Files that are named by what is in them: models and checkpoints. What has a name here was durable before it had it, whole, and never changes.
/// Safe for many threads.
/// </summary>
internal sealed class BlobStore : IDisposable
{
    /// <summary>The code of a digest that nothing here has.</summary>
    public const string Missing = "blobs.missing";

    /// <summary>The code of a blob for which there was no room.</summary>
    public const string Full = "blobs.full";

    /// <summary>The code of a blob that could not be written.</summary>
    public const string Unwritten = "blobs.write";

    private const string Prefix = "sha256:";
    private const int HexDigits = 2 * SHA256.HashSizeInBytes, FolderDigits = 2;

    private readonly string _folder;
    private readonly Disk _disk;
    private readonly TimeProvider _clock;
    private readonly InstanceLock _lock;

    // Between finding a blob that is put again, or that nobody keeps, and doing something about it.
    private readonly Lock _gate = new();
    private readonly Dictionary<string, SharedBlob> _open = [];

    private BlobStore(string folder, Disk disk, TimeProvider clock, InstanceLock taken) => (_folder, _disk, _clock, _lock) = (folder, disk, clock, taken);

    private string Unfinished => Path.Combine(_folder, "unfinished");

    /// <summary>Opens a store, or begins one.</summary>
    /// <param name="folder">The folder, which it has for itself.</param>
    /// <param name="disk">Makes durable what is put.</param>
    /// <param name="clock">Tells when something was put.</param>
    /// <exception cref="FedCoreException">Another process has it (<c>blobs.in-use</c>), or it cannot be opened (<c>blobs.open</c>).</exception>
    public static BlobStore Open(string folder, Disk disk, TimeProvider clock)
    {
        folder = Path.GetFullPath(folder);
        InstanceLock? taken = null;
        try
        {
            disk.CreateFolder(folder);
            taken = InstanceLock.Take(Path.Combine(folder, ".lock"), "blobs.in-use", $"The model store {folder}");
            var store = new BlobStore(folder, disk, clock, taken);
            disk.CreateFolder(store.Unfinished);
            foreach (string left in Directory.EnumerateFiles(store.Unfinished)) File.Delete(left);
            return store;
        }
        catch (Exception fault)
        {
            taken?.Dispose();
            if (fault is not (IOException or UnauthorizedAccessException)) throw;
            throw FedCoreException.Configuration("blobs.open", $"{folder}: the model store cannot be opened ({fault.Message}). Look at the disk and at who owns the folder.", fault);
        }
    }

    /// <summary>Puts what somebody writes.</summary>
    /// <param name="write">Writes it, on a thread of the pool.</param>
    /// <param name="ct">Cancels what has not begun.</param>
    /// <returns>What it is known by, when it would survive a loss of power.</returns>
    /// <exception cref="FedCoreException">There is no room (<see cref="Full"/>), or it could not be written (<see cref="Unwritten"/>).</exception>
    public async ValueTask<BlobInfo> PutAsync(Action<Stream> write, CancellationToken ct) => await Task.Run(
        () =>
        {
            using BlobWriter writer = Create();
            write(writer);
            return writer.Commit();
        },
        ct).ConfigureAwait(false);

    /// <summary>Begins a blob that somebody writes by himself.</summary>
    /// <returns>A stream, which is nothing until it is committed.</returns>
    /// <exception cref="FedCoreException">It cannot be written (<see cref="Full"/>, <see cref="Unwritten"/>).</exception>
    public BlobWriter Create()
    {
        string path = Path.Combine(Unfinished, Path.GetRandomFileName());
        try
        {
            return new BlobWriter(this, path, Disk.CreateFile(path));
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw NotWritten(fault);
        }
    }

    /// <summary>Opens a blob for positional reads. Whoever opens it meanwhile shares the file.</summary>
    /// <param name="digest">Its digest.</param>
    /// <exception cref="FedCoreException">It is not here (<see cref="Missing"/>).</exception>
    public Blob OpenRead(string digest)
    {
        string path = PathOf(digest);
        lock (_gate)
        {
            if (!_open.TryGetValue(digest, out SharedBlob? shared))
            {
                try
                {
                    _open[digest] = shared = new SharedBlob(File.OpenHandle(path, FileMode.Open, FileAccess.Read, Disk.Sharing));
                }
                catch (Exception fault) when (fault is FileNotFoundException or DirectoryNotFoundException)
                {
                    throw FedCoreException.RunFailed(Missing, $"{_folder}: nothing has the digest {digest}.", fault);
                }
            }

            shared.Users++;
            return new Blob(this, digest, shared);
        }
    }

    /// <summary>Whether a blob is here.</summary>
    public bool Contains(string digest) => File.Exists(PathOf(digest));

    /// <summary>The digests of all blobs.</summary>
    public IEnumerable<string> List() =>
        from folder in Directory.EnumerateDirectories(_folder)
        from file in Directory.EnumerateFiles(folder)
        let digest = Prefix + Path.GetFileName(folder) + Path.GetFileName(file)
        where IsDigest(digest)
        select digest;

    /// <summary>Deletes a blob. Who has it open may go on reading.</summary>
    /// <returns>Whether it was here.</returns>
    public bool Delete(string digest)
    {
        string path = PathOf(digest);
        lock (_gate)
        {
            if (!File.Exists(path)) return false;
            File.Delete(path);

            // Who opens the digest when it has been put again gets the new file.
            _open.Remove(digest);
            return true;
        }
    }

    /// <summary>Deletes what nobody needs.</summary>
    /// <param name="keep">The digests to keep.</param>
    /// <param name="before">When they were gathered: what has been put since, if only again, stays.</param>
    /// <returns>How many blobs were deleted.</returns>
    public int Collect(IReadOnlySet<string> keep, DateTimeOffset before)
    {
        int deleted = 0;
        foreach (string digest in List().Where(digest => !keep.Contains(digest)).ToArray())
        {
            lock (_gate)
                if (File.GetLastWriteTimeUtc(PathOf(digest)) < before.UtcDateTime && Delete(digest)) deleted++;
        }

        return deleted;
    }

    /// <summary>Reads a blob through.</summary>
    /// <param name="digest">Its digest.</param>
    /// <param name="ct">Cancels the reading.</param>
    /// <returns>Whether its content is that of its digest.</returns>
    /// <exception cref="FedCoreException">It is not here (<see cref="Missing"/>).</exception>
    public async ValueTask<bool> VerifyAsync(string digest, CancellationToken ct)
    {
        using Blob blob = OpenRead(digest);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[] buffer = new byte[1 << 18];
        try
        {
            for (long offset = 0; offset < blob.Length;)
            {
                int count = await blob.ReadAsync(buffer, offset, ct).ConfigureAwait(false);
                if (count == 0) return false;
                hash.AppendData(buffer, 0, count);
                offset += count;
            }
        }
        catch (IOException)
        {
            return false;
        }

        return DigestOf(hash) == digest;
    }

    public void Dispose() => _lock.Dispose();

    /// <summary>A blob that has been written gets its name.</summary>
    internal BlobInfo Commit(string path, SafeFileHandle file, IncrementalHash hash)
    {
        try
        {
            _disk.Sync(file);
            string digest = DigestOf(hash), target = PathOf(digest), folder = Path.GetDirectoryName(target)!;
            long length = RandomAccess.GetLength(file);
            File.SetLastWriteTimeUtc(file, _clock.GetUtcNow().UtcDateTime);
            lock (_gate)
            {
                _disk.CreateFolder(folder);
                if (File.Exists(target) && new FileInfo(target).Length == length)
                {
                    File.SetLastWriteTimeUtc(target, _clock.GetUtcNow().UtcDateTime);
                    File.Delete(path);
                }
                else
                {
                    File.Move(path, target, overwrite: true);
                    _open.Remove(digest);
                }
            }

            // Also for one that was there: whoever put it may not have come this far yet.
            _disk.SyncFolder(folder);
            return new BlobInfo(digest, length);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw NotWritten(fault);
        }
    }

    /// <summary>A fault of the disk, as the store says it.</summary>
    internal FedCoreException NotWritten(Exception fault) => DiskSpace.IsFull(fault)
        ? FedCoreException.RunFailed(Full, $"{_folder}: there is no room for a model on the disk, or in its quota. Make room.", fault)
        : FedCoreException.RunFailed(Unwritten, $"{_folder}: a model could not be written: {fault.Message}", fault);

    /// <summary>One reader less.</summary>
    internal void Return(string digest, SharedBlob shared)
    {
        lock (_gate)
        {
            if (--shared.Users > 0) return;
            shared.File.Dispose();
            if (_open.TryGetValue(digest, out SharedBlob? known) && known == shared) _open.Remove(digest);
        }
    }

    private static string DigestOf(IncrementalHash hash) => Prefix + Convert.ToHexStringLower(hash.GetHashAndReset());

    // Nothing else becomes a path.
    private static bool IsDigest(string text) => text.Length == Prefix.Length + HexDigits && text.StartsWith(Prefix, StringComparison.Ordinal)
        && text.Skip(Prefix.Length).All(char.IsAsciiHexDigitLower);

    private string PathOf(string digest)
    {
        ArgumentNullException.ThrowIfNull(digest);
        if (!IsDigest(digest)) throw new ArgumentException($"{Shown.Of(digest)} is no digest: it is sha256: and 64 hexadecimal digits in lower case.", nameof(digest));
        return Path.Combine(_folder, digest.Substring(Prefix.Length, FolderDigits), digest[(Prefix.Length + FolderDigits)..]);
    }
}

/// <summary>What a blob is known by.</summary>
/// <param name="Digest">SHA-256 of its content, as <c>sha256:</c> and 64 hexadecimal digits.</param>
/// <param name="Length">Its bytes.</param>
internal sealed record BlobInfo(string Digest, long Length);
