using System.Buffers;

namespace FedCore.Protocol.Transfers;

/// <summary>Protocol Buffers' encoding of fields, as far as chunks need it (protobuf.dev, Encoding).</summary>
internal static class WireFormat
{
    /// <summary>The types of fields.</summary>
    public const int Number = 0, Fixed64 = 1, Bytes = 2, Fixed32 = 5;

    private const int MaxNumberBytes = 10;

    /// <summary>How many bytes come before the content of a field, or make up a field that is a number.</summary>
    public static int LengthOf(uint field, long value) => NumberLength(field << 3) + NumberLength((ulong)value);

    public static void Write(IBufferWriter<byte> target, uint field, int type, long value)
    {
        Span<byte> span = target.GetSpan(2 * MaxNumberBytes);
        int used = WriteNumber(span, (field << 3) | (uint)type);
        target.Advance(used + WriteNumber(span[used..], (ulong)value));
    }

    public static (uint Field, int Type) ReadTag(ref SequenceReader<byte> reader)
    {
        ulong tag = ReadNumber(ref reader);
        if (tag is 0 or > uint.MaxValue) throw Fault();
        return ((uint)tag >> 3, (int)tag & 7);
    }

    public static ulong ReadNumber(ref SequenceReader<byte> reader)
    {
        ulong value = 0;
        for (int shift = 0; shift < 7 * MaxNumberBytes; shift += 7)
        {
            if (!reader.TryRead(out byte part)) throw Fault();
            value |= (ulong)(part & 127) << shift;
            if (part < 128) return value;
        }

        throw Fault();
    }

    public static ReadOnlySequence<byte> ReadBytes(ref SequenceReader<byte> reader)
    {
        ulong length = ReadNumber(ref reader);
        if (length > (ulong)reader.Remaining) throw Fault();
        ReadOnlySequence<byte> bytes = reader.UnreadSequence.Slice(0, (long)length);
        reader.Advance((long)length);
        return bytes;
    }

    public static void Skip(ref SequenceReader<byte> reader, int type)
    {
        long length = type switch
        {
            Number => ReadNumber(ref reader) is var _ ? 0 : 0,
            Fixed64 => sizeof(ulong),
            Bytes => ReadBytes(ref reader) is var _ ? 0 : 0,
            Fixed32 => sizeof(uint),
            _ => throw Fault(),
        };
        if (length > reader.Remaining) throw Fault();
        reader.Advance(length);
    }

    private static int NumberLength(ulong value)
    {
        int length = 1;
        for (; value > 127; value >>= 7) length++;
        return length;
    }

    private static int WriteNumber(Span<byte> target, ulong value)
    {
        int used = 0;
        for (; value > 127; value >>= 7) target[used++] = (byte)(value | 128);
        target[used++] = (byte)value;
        return used;
    }

    private static InvalidDataException Fault() => new("The message is not in the encoding of Protocol Buffers.");
}
