using System.Buffers.Binary;
using System.Numerics;

namespace FedCore.Aggregator.Spooling;

/// <summary>
/// The bytes of a segment: a file header and records one behind the other, each a header, the label and the payload. All numbers are little-endian.
/// A record begins with a marker that holds the segment's salt, a random number that never leaves the aggregator: where a header is damaged the next record
/// is found by the marker, and no client can write a payload that is taken for a record.
/// </summary>
/// <remarks>
/// File header: magic (8), version (2), kind (2), salt (8), CRC-32C of these (4). Record header: magic (4), salt (8), version (2), length of the label (2),
/// length of the payload (8), SHA-256 of the payload (32), CRC-32C of these and of the label (4).
/// </remarks>
internal static class SpoolFormat
{
    /// <summary>Bytes of the file header.</summary>
    public const int FileHeaderLength = 24;

    /// <summary>Bytes of a record before its label.</summary>
    public const int RecordHeaderLength = 60;

    /// <summary>Bytes at a record's beginning that are the same for all records of a segment.</summary>
    public const int MarkerLength = 12;

    /// <summary>The longest label.</summary>
    public const int MaxLabelLength = 4096;

    private const ushort Version = 1;
    private const uint RecordMagic = 0x52504346;
    private const int DigestOffset = 24, DigestLength = 32, CrcOffset = 56;

    private static ReadOnlySpan<byte> FileMagic => "FedSpool"u8;

    /// <summary>Writes a file header.</summary>
    public static void WriteFileHeader(Span<byte> header, SegmentKind kind, ulong salt)
    {
        FileMagic.CopyTo(header);
        BinaryPrimitives.WriteUInt16LittleEndian(header[8..], Version);
        BinaryPrimitives.WriteUInt16LittleEndian(header[10..], (ushort)kind);
        BinaryPrimitives.WriteUInt64LittleEndian(header[12..], salt);
        BinaryPrimitives.WriteUInt32LittleEndian(header[20..], Crc(header[..20]));
    }

    /// <summary>Reads a file header, if it is sound.</summary>
    /// <exception cref="FedCoreException">A newer FedCore wrote it (<c>spool.version</c>).</exception>
    public static bool TryReadFileHeader(ReadOnlySpan<byte> header, out SegmentKind kind, out ulong salt)
    {
        (kind, salt) = (default, 0);
        if (header.Length < FileHeaderLength || !header.StartsWith(FileMagic) || BinaryPrimitives.ReadUInt32LittleEndian(header[20..]) != Crc(header[..20])) return false;
        ThrowIfNewer(BinaryPrimitives.ReadUInt16LittleEndian(header[8..]));
        kind = (SegmentKind)BinaryPrimitives.ReadUInt16LittleEndian(header[10..]);
        salt = BinaryPrimitives.ReadUInt64LittleEndian(header[12..]);
        return kind is SegmentKind.Shared or SegmentKind.Single;
    }

    /// <summary>A record's header and label, which lacks only the segment's salt.</summary>
    public static byte[] CreateHead(ReadOnlySpan<byte> label, long length, ReadOnlySpan<byte> sha256)
    {
        byte[] head = new byte[RecordHeaderLength + label.Length];
        BinaryPrimitives.WriteUInt32LittleEndian(head, RecordMagic);
        BinaryPrimitives.WriteUInt16LittleEndian(head.AsSpan(12), Version);
        BinaryPrimitives.WriteUInt16LittleEndian(head.AsSpan(14), (ushort)label.Length);
        BinaryPrimitives.WriteInt64LittleEndian(head.AsSpan(16), length);
        sha256.CopyTo(head.AsSpan(DigestOffset));
        label.CopyTo(head.AsSpan(RecordHeaderLength));
        return head;
    }

    /// <summary>Puts the salt of the segment that a record goes to into its head.</summary>
    public static void Seal(Span<byte> head, ulong salt)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(head[4..], salt);
        BinaryPrimitives.WriteUInt32LittleEndian(head[CrcOffset..], HeadCrc(head));
    }

    /// <summary>The bytes that each record of a segment begins with.</summary>
    public static byte[] MarkerOf(ulong salt)
    {
        byte[] marker = new byte[MarkerLength];
        BinaryPrimitives.WriteUInt32LittleEndian(marker, RecordMagic);
        BinaryPrimitives.WriteUInt64LittleEndian(marker.AsSpan(4), salt);
        return marker;
    }

    /// <summary>How many bytes header and label are together, as a header has it; null where it cannot be one.</summary>
    public static int? HeadLength(ReadOnlySpan<byte> header)
    {
        if (header.Length < RecordHeaderLength || BinaryPrimitives.ReadUInt32LittleEndian(header) != RecordMagic) return null;
        int label = BinaryPrimitives.ReadUInt16LittleEndian(header[14..]);
        return label <= MaxLabelLength ? RecordHeaderLength + label : null;
    }

    /// <summary>Whether header and label are what was written.</summary>
    /// <exception cref="FedCoreException">A newer FedCore wrote them (<c>spool.version</c>).</exception>
    public static bool IsSound(ReadOnlySpan<byte> head)
    {
        if (HeadLength(head) != head.Length || BinaryPrimitives.ReadUInt32LittleEndian(head[CrcOffset..]) != HeadCrc(head) || PayloadLength(head) < 0) return false;
        ThrowIfNewer(BinaryPrimitives.ReadUInt16LittleEndian(head[12..]));
        return true;
    }

    /// <summary>Whether two heads are of the same update: one label, length and digest.</summary>
    public static bool AreOfOne(ReadOnlySpan<byte> head, ReadOnlySpan<byte> other) => head[MarkerLength..CrcOffset].SequenceEqual(other[MarkerLength..CrcOffset])
        && head[RecordHeaderLength..].SequenceEqual(other[RecordHeaderLength..]);

    /// <summary>The salt of a head.</summary>
    public static ulong Salt(ReadOnlySpan<byte> head) => BinaryPrimitives.ReadUInt64LittleEndian(head[4..]);

    /// <summary>The payload's length, as a head has it.</summary>
    public static long PayloadLength(ReadOnlySpan<byte> head) => BinaryPrimitives.ReadInt64LittleEndian(head[16..]);

    /// <summary>The payload's SHA-256, as a head has it.</summary>
    public static ReadOnlyMemory<byte> Digest(ReadOnlyMemory<byte> head) => head.Slice(DigestOffset, DigestLength);

    /// <summary>The label of a head.</summary>
    public static ReadOnlyMemory<byte> Label(ReadOnlyMemory<byte> head) => head[RecordHeaderLength..];

    private static void ThrowIfNewer(ushort version)
    {
        if (version != Version)
            throw FedCoreException.Configuration("spool.version", $"A newer FedCore wrote the spool (version {version}; this one knows {Version}). Update FedCore, or let the newer one finish its runs.");
    }

    private static uint HeadCrc(ReadOnlySpan<byte> head) => Crc(head[RecordHeaderLength..], Crc(head[..CrcOffset]));

    private static uint Crc(ReadOnlySpan<byte> bytes, uint crc = uint.MaxValue)
    {
        for (; bytes.Length >= sizeof(ulong); bytes = bytes[sizeof(ulong)..]) crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(bytes));
        foreach (byte one in bytes) crc = BitOperations.Crc32C(crc, one);
        return crc;
    }
}

/// <summary>How a segment came about.</summary>
internal enum SegmentKind
{
    /// <summary>Records were appended to it, one behind the other.</summary>
    Shared = 1,

    /// <summary>It was an upload, and holds one record.</summary>
    Single = 2,
}
