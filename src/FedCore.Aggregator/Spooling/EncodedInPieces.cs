using System.Buffers;
using FedCore.Compression;

namespace FedCore.Aggregator.Spooling;

/// <summary>An update's bytes in the pieces in which they came. Only what is asked for across the end of a piece is copied.</summary>
/// <param name="bytes">The bytes, which must stay what they are.</param>
internal sealed class EncodedInPieces(ReadOnlySequence<byte> bytes) : IEncodedUpdate
{
    private byte[]? _joined;

    public long Length => bytes.Length;

    public ReadOnlySpan<byte> Read(long offset, int count)
    {
        ReadOnlySequence<byte> asked = bytes.Slice(offset, count);
        if (asked.IsSingleSegment) return asked.FirstSpan;
        _joined ??= ArrayPool<byte>.Shared.Rent(IEncodedUpdate.LongestRead);
        asked.CopyTo(_joined);
        return _joined.AsSpan(0, count);
    }

    public void Dispose()
    {
        if (_joined is not null) ArrayPool<byte>.Shared.Return(_joined);
        _joined = null;
    }
}
