using System.Security.Cryptography;
using FedCore.Hosting.Storage;
using Microsoft.Win32.SafeHandles;

namespace FedCore.Aggregator.Models;

/// <summary>A blob that is being written, and hashed. It is nothing until it is committed, and goes if it is not.</summary>
internal sealed class BlobWriter : Stream
{
    private const int BufferLength = 1 << 16;

    private readonly BlobStore _store;
    private readonly string _path;
    private readonly FileStream _file;
    private readonly EarlyWrites _writes;
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private bool _isDone;

    /// <param name="store">The store that it will belong to.</param>
    /// <param name="path">Its temporary name.</param>
    /// <param name="file">The empty file.</param>
    public BlobWriter(BlobStore store, string path, SafeFileHandle file)
        => (_store, _path, _file, _writes) = (store, path, new FileStream(file, FileAccess.Write, BufferLength), new EarlyWrites(file));

    /// <inheritdoc/>
    public override bool CanRead => false;

    /// <inheritdoc/>
    public override bool CanSeek => false;

    /// <inheritdoc/>
    public override bool CanWrite => true;

    /// <inheritdoc/>
    public override long Length => _file.Length;

    /// <inheritdoc/>
    public override long Position
    {
        get => _file.Position;
        set => throw new NotSupportedException();
    }

    /// <summary>Makes the blob durable and gives it its name. Nothing is written afterwards.</summary>
    /// <returns>What it is known by.</returns>
    /// <exception cref="FedCoreException">There is no room (<c>blobs.full</c>), or it could not be written (<c>blobs.write</c>).</exception>
    public BlobInfo Commit()
    {
        ObjectDisposedException.ThrowIf(_isDone, this);
        Guard(_file.Flush);
        BlobInfo info = _store.Commit(_path, _file.SafeFileHandle, _hash);
        _isDone = true;
        return info;
    }

    /// <inheritdoc/>
    public override void Write(ReadOnlySpan<byte> buffer)
    {
        ObjectDisposedException.ThrowIf(_isDone, this);
        _hash.AppendData(buffer);
        try
        {
            _file.Write(buffer);
            _writes.Wrote(_file.Position);
        }
        catch (IOException fault)
        {
            throw _store.NotWritten(fault);
        }
    }

    /// <inheritdoc/>
    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    /// <inheritdoc/>
    public override void Flush() => Guard(_file.Flush);

    /// <inheritdoc/>
    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void SetLength(long value) => throw new NotSupportedException();

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            // The file first: what is still buffered has nowhere to go.
            if (!_isDone) File.Delete(_path);
            _isDone = true;
            try
            {
                _file.Dispose();
            }
            catch (IOException)
            {
            }

            _hash.Dispose();
        }

        base.Dispose(disposing);
    }

    private void Guard(Action action)
    {
        try
        {
            action();
        }
        catch (IOException fault)
        {
            throw _store.NotWritten(fault);
        }
    }
}
