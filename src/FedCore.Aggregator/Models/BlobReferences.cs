namespace FedCore.Aggregator.Models;

/// <summary>The store as runs share it: what no run needs any more is deleted. Safe for many threads.</summary>
/// <param name="store">The store.</param>
internal sealed class BlobReferences(BlobStore store)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, int> _counts = new(StringComparer.Ordinal);

    /// <summary>Puts a blob into the store, and acquires it.</summary>
    public async ValueTask<StoredBlob> PutAsync(Action<Stream> write, CancellationToken ct)
    {
        while (true)
        {
            // Where it was there before, it may just have been deleted by whoever needed it no more.
            BlobInfo put = await store.PutAsync(write, ct).ConfigureAwait(false);
            if (TryAcquire(put.Digest)) return new StoredBlob(put.Digest, put.Length);
        }
    }

    /// <summary>Begins a blob that comes in pieces.</summary>
    public BlobWriter Create() => store.Create();

    /// <summary>Ends a blob that came in pieces, and acquires it.</summary>
    /// <exception cref="FedCoreException">The same blob was just being deleted (<c>blob.raced</c>), or it could not be written.</exception>
    public StoredBlob Commit(BlobWriter writer)
    {
        BlobInfo put = writer.Commit();
        return TryAcquire(put.Digest)
            ? new StoredBlob(put.Digest, put.Length)
            : throw FedCoreException.RunFailed("blob.raced", $"{put.Digest} was deleted while it was put into the store. Put it again.");
    }

    /// <summary>Whether the store has a blob.</summary>
    public bool Contains(string digest) => store.Contains(digest);

    /// <summary>Opens a blob for positional reads.</summary>
    public Blob OpenRead(string digest) => store.OpenRead(digest);

    /// <summary>Opens a blob.</summary>
    public Stream OpenStream(string digest) => new BlobStream(OpenRead(digest));

    /// <summary>Keeps a blob until it is released as often as it was acquired.</summary>
    public void Acquire(string digest)
    {
        lock (_lock) _counts[digest] = _counts.GetValueOrDefault(digest) + 1;
    }

    /// <summary>Keeps a blob, if it is there.</summary>
    public bool TryAcquire(string digest)
    {
        lock (_lock)
        {
            if (!store.Contains(digest)) return false;
            _counts[digest] = _counts.GetValueOrDefault(digest) + 1;
            return true;
        }
    }

    /// <summary>Needs a blob no more.</summary>
    public void Release(string digest)
    {
        lock (_lock)
        {
            int left = _counts[digest] - 1;
            if (left > 0)
            {
                _counts[digest] = left;
                return;
            }

            _counts.Remove(digest);
            store.Delete(digest);
        }
    }

    /// <summary>Deletes what nobody has acquired: what a process left that ended in between.</summary>
    /// <param name="started">When this process began.</param>
    public void Collect(DateTimeOffset started)
    {
        HashSet<string> keep;
        lock (_lock) keep = [.. _counts.Keys];
        store.Collect(keep, started);
    }
}
