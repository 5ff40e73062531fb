using System.Buffers;
using System.Security.Cryptography;
using FedCore.Client.Storage;
using Microsoft.Win32.SafeHandles;

namespace FedCore.Client.Outbox;

/// <summary>Writes an update to a file and takes its digest on the way; a part of it at a time is in memory.</summary>
internal sealed class UpdateFileWriter : IBufferWriter<byte>, IDisposable
{
    private const int BufferBytes = 256 << 10;

    private readonly string _path;
    private readonly Disk _disk;
    private readonly SafeFileHandle _file;
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private byte[] _buffer = new byte[BufferBytes];
    private int _used;
    private long _written;

    public UpdateFileWriter(string path, Disk disk)
    {
        (_path, _disk, _file) = (path, disk, File.OpenHandle(path, FileMode.Create, FileAccess.Write));
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(_file, UnixFileMode.UserRead | UnixFileMode.UserWrite);
    }

    public void Advance(int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, _buffer.Length - _used);
        _used += count;
    }

    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        if (_buffer.Length - _used < Math.Max(1, sizeHint)) WriteOut();
        if (_buffer.Length < sizeHint) _buffer = new byte[sizeHint];
        return _buffer.AsMemory(_used);
    }

    public Span<byte> GetSpan(int sizeHint = 0) => GetMemory(sizeHint).Span;

    /// <summary>Ends the writing; the file's content is on the disk.</summary>
    /// <returns>How many bytes there are, and their SHA-256 in hexadecimal digits.</returns>
    public (long Length, string Digest) Complete()
    {
        WriteOut();
        _disk.Sync(_file, _path);
        return (_written, Convert.ToHexStringLower(_hash.GetHashAndReset()));
    }

    public void Dispose()
    {
        _file.Dispose();
        _hash.Dispose();
    }

    private void WriteOut()
    {
        ReadOnlySpan<byte> bytes = _buffer.AsSpan(0, _used);
        RandomAccess.Write(_file, bytes, _written);
        _hash.AppendData(bytes);
        _written += _used;
        _used = 0;
    }
}
