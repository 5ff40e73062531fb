using System.Buffers;
using FedCore.Compression;
using Microsoft.Win32.SafeHandles;

namespace FedCore.Aggregator.Spooling;

/// <summary>An update that is on the disk. Safe for many threads.</summary>
internal sealed class SpooledUpdate
{
    private readonly Segment _segment;
    private readonly long _offset;
    private readonly ReadOnlyMemory<byte> _head;
    private int _isReleased;

    /// <param name="segment">Where it lies; it counts this record among its own.</param>
    /// <param name="offset">Where the payload begins.</param>
    /// <param name="head">The record's header and label.</param>
    public SpooledUpdate(Segment segment, long offset, ReadOnlyMemory<byte> head)
    {
        (_segment, _offset, _head) = (segment, offset, head);
        Length = SpoolFormat.PayloadLength(head.Span);
    }

    /// <summary>The run that it was sent to.</summary>
    public string Run => _segment.Run.Name;

    /// <summary>What the caller wrote on it.</summary>
    public ReadOnlyMemory<byte> Label => SpoolFormat.Label(_head);

    /// <summary>Bytes of the payload.</summary>
    public long Length { get; }

    /// <summary>SHA-256 of the payload, 32 bytes.</summary>
    public ReadOnlyMemory<byte> Digest => SpoolFormat.Digest(_head);

    /// <summary>Opens the payload for one reader, which may go on reading when the update has been released.</summary>
    /// <exception cref="ObjectDisposedException">The update was released.</exception>
    /// <exception cref="FedCoreException">The file cannot be opened (<c>spool.read</c>), nor later read.</exception>
    public IEncodedUpdate OpenRead()
    {
        ObjectDisposedException.ThrowIf(Volatile.Read(ref _isReleased) != 0, this);
        try
        {
            return new Reader(_segment, _offset, Length);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw SpoolFaults.NotRead(_segment.Path, fault);
        }
    }

    /// <summary>Gives the update up. Its bytes go when all updates of its segment have been given up; after a crash before that it may be found again.</summary>
    public void Release()
    {
        if (Interlocked.Exchange(ref _isReleased, 1) == 0) _segment.Release();
    }

    private sealed class Reader : IEncodedUpdate
    {
        private const int WindowLength = 64 * 1024;

        private readonly Segment _segment;
        private readonly SafeFileHandle _file;
        private readonly long _start;
        private byte[]? _window;
        private long _windowOffset;
        private int _windowCount;

        public Reader(Segment segment, long start, long length)
        {
            (_segment, _start, Length) = (segment, start, length);
            _file = segment.Acquire();
            _window = ArrayPool<byte>.Shared.Rent((int)Math.Clamp(length, 1, WindowLength));
        }

        public long Length { get; }

        public ReadOnlySpan<byte> Read(long offset, int count)
        {
            ObjectDisposedException.ThrowIf(_window is null, this);
            ArgumentOutOfRangeException.ThrowIfNegative(offset);
            ArgumentOutOfRangeException.ThrowIfNegative(count);
            ArgumentOutOfRangeException.ThrowIfGreaterThan(count, Math.Min(Length - offset, IEncodedUpdate.LongestRead));
            if (offset < _windowOffset || offset + count > _windowOffset + _windowCount) Fill(offset);
            return _window.AsSpan((int)(offset - _windowOffset), count);
        }

        public void Dispose()
        {
            if (_window is null) return;
            ArrayPool<byte>.Shared.Return(_window);
            _window = null;
            _segment.Return();
        }

        private void Fill(long offset)
        {
            Span<byte> window = _window.AsSpan(0, (int)Math.Min(_window!.Length, Length - offset));
            _windowCount = 0;
            SpoolFile.Read(_file, _segment.Path, _start + offset, window);
            (_windowOffset, _windowCount) = (offset, window.Length);
        }
    }
}
