using Microsoft.Win32.SafeHandles;

namespace FedCore.Aggregator.Models;

/// <summary>An open blob. Many threads may read from it at once.</summary>
internal sealed class Blob : IDisposable
{
    private readonly BlobStore _store;
    private readonly SharedBlob _shared;
    private int _isDisposed;

    /// <param name="store">The store, which counts its readers.</param>
    /// <param name="digest">Its digest.</param>
    /// <param name="shared">The file, of which this is one more user.</param>
    public Blob(BlobStore store, string digest, SharedBlob shared) => (_store, Digest, _shared) = (store, digest, shared);

    /// <summary>SHA-256 of what was put, as <c>sha256:</c> and 64 hexadecimal digits.</summary>
    public string Digest { get; }

    /// <summary>Bytes of the blob.</summary>
    public long Length => _shared.Length;

    /// <summary>Reads from a place.</summary>
    /// <param name="bytes">Receives the bytes.</param>
    /// <param name="offset">The first of them, 0 or more.</param>
    /// <returns>How many were read; 0 at the end.</returns>
    public int Read(Span<byte> bytes, long offset)
    {
        ObjectDisposedException.ThrowIf(_isDisposed != 0, this);
        return RandomAccess.Read(_shared.File, bytes, offset);
    }

    /// <summary>Reads from a place.</summary>
    /// <param name="bytes">Receives the bytes.</param>
    /// <param name="offset">The first of them, 0 or more.</param>
    /// <param name="ct">Cancels the reading.</param>
    /// <returns>How many were read; 0 at the end.</returns>
    public ValueTask<int> ReadAsync(Memory<byte> bytes, long offset, CancellationToken ct)
    {
        ObjectDisposedException.ThrowIf(_isDisposed != 0, this);
        return RandomAccess.ReadAsync(_shared.File, bytes, offset, ct);
    }

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _isDisposed, 1) == 0) _store.Return(Digest, _shared);
    }
}

/// <summary>An open file with those who use it; the store's lock guards their number.</summary>
internal sealed class SharedBlob(SafeFileHandle file)
{
    public SafeFileHandle File { get; } = file;

    public long Length { get; } = RandomAccess.GetLength(file);

    public int Users { get; set; }
}
