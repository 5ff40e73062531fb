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
        // As in generated messages, what is above 32 bits does not count.
        uint tag = (uint)ReadNumber(ref reader);
        return tag >> 3 == 0 ? throw Fault() : (tag >> 3, (int)tag & 7);
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
        uint length = (uint)ReadNumber(ref reader);
        if (length > reader.Remaining) throw Fault();
        ReadOnlySequence<byte> bytes = reader.UnreadSequence.Slice(0, length);
        reader.Advance(length);
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

    public static InvalidDataException Fault(Exception? cause = null) => new("The message is not in the encoding of Protocol Buffers.", cause);

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
}
