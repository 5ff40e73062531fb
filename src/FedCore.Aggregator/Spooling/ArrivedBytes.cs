using System.Buffers;
using FedCore.Compression;
using Microsoft.Win32.SafeHandles;

namespace FedCore.Aggregator.Spooling;

/// <summary>The bytes of an upload that have come: the last of them as they lie in memory, those before from the file.</summary>
/// <param name="file">The file.</param>
/// <param name="path">Where it lies.</param>
/// <param name="start">Where the payload begins in it.</param>
/// <param name="length">Bytes of the whole payload.</param>
internal sealed class ArrivedBytes(SafeFileHandle file, string path, long start, long length) : IEncodedUpdate
{
    private EncodedInPieces? _last;
    private long _lastOffset;
    private byte[]? _read;

    public long Length => length;

    /// <summary>Has the last bytes in memory.</summary>
    /// <param name="bytes">The bytes, which must stay what they are until <see cref="Hide"/>.</param>
    /// <param name="offset">The first of them.</param>
    public void Show(ReadOnlySequence<byte> bytes, long offset) => (_last, _lastOffset) = (new EncodedInPieces(bytes), offset);

    /// <summary>Has nothing in memory any more.</summary>
    public void Hide()
    {
        _last?.Dispose();
        _last = null;
    }

    public ReadOnlySpan<byte> Read(long offset, int count)
    {
        if (_last is not null && offset >= _lastOffset && offset + count <= _lastOffset + _last.Length) return _last.Read(offset - _lastOffset, count);
        Span<byte> read = (_read ??= ArrayPool<byte>.Shared.Rent(IEncodedUpdate.LongestRead)).AsSpan(0, count);
        SpoolFile.Read(file, path, start + offset, read);
        return read;
    }

    public void Dispose()
    {
        Hide();
        if (_read is not null) ArrayPool<byte>.Shared.Return(_read);
        _read = null;
    }
}
