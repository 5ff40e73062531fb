using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;

namespace FedCore.Aggregator.Spooling;

/// <summary>What a segment's file holds: its sound records, and where it is damaged.</summary>
internal sealed class SegmentScan
{
    private readonly SafeFileHandle _file;
    private readonly byte[] _buffer;

    private SegmentScan(SafeFileHandle file, byte[] buffer)
    {
        (_file, _buffer) = (file, buffer);
        Length = RandomAccess.GetLength(file);
    }

    /// <summary>Bytes of the file.</summary>
    public long Length { get; }

    /// <summary>How the segment came about; null where its header is damaged.</summary>
    public SegmentKind? Kind { get; private set; }

    /// <summary>What marks its records; null where neither the file's header nor its first record tells.</summary>
    public ulong? Salt { get; private set; }

    /// <summary>The sound records: where the payload begins, and header and label.</summary>
    public List<(long Offset, byte[] Head)> Records { get; } = [];

    /// <summary>What lies between sound records, or before them, and is none.</summary>
    public List<(long Offset, long Length)> Damage { get; } = [];

    /// <summary>Where the last sound record ends.</summary>
    public long SoundEnd { get; private set; }

    /// <summary>Whether the file is not even a header: the process ended while it was created.</summary>
    public bool IsUnborn { get; private set; }

    /// <summary>Reads a segment through.</summary>
    /// <param name="file">The segment.</param>
    /// <param name="buffer">Memory to read into, longer than a marker.</param>
    /// <exception cref="IOException">It cannot be read.</exception>
    /// <exception cref="FedCoreException">A newer FedCore wrote it (<c>spool.version</c>).</exception>
    public static SegmentScan Of(SafeFileHandle file, byte[] buffer)
    {
        var scan = new SegmentScan(file, buffer);
        scan.Read();
        return scan;
    }

    private void Read()
    {
        ReadFileHeader();
        for (long offset = SpoolFormat.FileHeaderLength; offset < Length && !IsUnborn;)
        {
            long end;
            if (HeadAt(offset) is { } head && SpoolFormat.Salt(head) == Salt && SpoolFormat.PayloadLength(head) <= Length - offset - head.Length)
            {
                end = offset + head.Length + SpoolFormat.PayloadLength(head);
                if (IsPayloadSound(offset + head.Length, head))
                {
                    Records.Add((offset + head.Length, head));
                    SoundEnd = end;
                }
                else
                {
                    AddDamage(offset, end);
                }
            }
            else
            {
                end = FindMarker(offset + 1);
                AddDamage(offset, end);
            }

            offset = end;
        }
    }

    private void ReadFileHeader()
    {
        byte[] header = ReadAt(0, SpoolFormat.FileHeaderLength);
        if (SpoolFormat.TryReadFileHeader(header, out SegmentKind kind, out ulong salt))
        {
            (Kind, Salt) = (kind, salt);
            SoundEnd = SpoolFormat.FileHeaderLength;
        }
        else if (Length <= SpoolFormat.FileHeaderLength)
        {
            IsUnborn = true;
        }
        else
        {
            // The first record lies where no payload can, so that its salt is the segment's own.
            AddDamage(0, SpoolFormat.FileHeaderLength);
            if (HeadAt(SpoolFormat.FileHeaderLength) is { } first) Salt = SpoolFormat.Salt(first);
        }
    }

    private void AddDamage(long offset, long end)
    {
        if (Damage.Count > 0 && Damage[^1].Offset + Damage[^1].Length == offset) Damage[^1] = (Damage[^1].Offset, end - Damage[^1].Offset);
        else Damage.Add((offset, end - offset));
    }

    private byte[]? HeadAt(long offset)
    {
        if (SpoolFormat.HeadLength(ReadAt(offset, SpoolFormat.RecordHeaderLength)) is not { } length) return null;
        byte[] head = ReadAt(offset, length);
        return SpoolFormat.IsSound(head) ? head : null;
    }

    private bool IsPayloadSound(long offset, byte[] head)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        for (long left = SpoolFormat.PayloadLength(head); left > 0;)
        {
            int count = RandomAccess.Read(_file, _buffer.AsSpan(0, (int)Math.Min(_buffer.Length, left)), offset);
            if (count == 0) return false;
            hash.AppendData(_buffer.AsSpan(0, count));
            offset += count;
            left -= count;
        }

        return hash.GetHashAndReset().AsSpan().SequenceEqual(SpoolFormat.Digest(head).Span);
    }

    /// <summary>Where the next record may begin; the file's end where none does.</summary>
    private long FindMarker(long offset)
    {
        if (Salt is not { } salt) return Length;
        byte[] marker = SpoolFormat.MarkerOf(salt);
        while (Length - offset >= marker.Length)
        {
            int count = RandomAccess.Read(_file, _buffer, offset);
            int found = _buffer.AsSpan(0, count).IndexOf(marker);
            if (found >= 0) return offset + found;
            if (count < marker.Length) break;
            offset += count - (marker.Length - 1);
        }

        return Length;
    }

    private byte[] ReadAt(long offset, int count)
    {
        byte[] bytes = new byte[(int)Math.Clamp(Length - offset, 0, count)];
        int filled = 0;
        while (filled < bytes.Length)
        {
            int read = RandomAccess.Read(_file, bytes.AsSpan(filled), offset + filled);
            if (read == 0) throw new EndOfStreamException("the file has become shorter");
            filled += read;
        }

        return bytes;
    }
}
