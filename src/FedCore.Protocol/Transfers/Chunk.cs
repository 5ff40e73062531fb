using System.Buffers;
using FedCore.Protocol.V1;
using Google.Protobuf;
using Grpc.Core;

namespace FedCore.Protocol.Transfers;

/// <summary>
/// The messages <c>UploadRequest</c> and <c>DataChunk</c>, whose data is neither copied into them nor out of them: it is sent from where it lies, and what was
/// received can be read until the call reads its next message or ends. Bytes that are no such message are an <see cref="InvalidDataException"/>; so are groups,
/// which proto3 has none of.
/// </summary>
internal sealed class Chunk
{
    private const uint UploadHeadField = 1, UploadOffsetField = 2, UploadDataField = 3;

    // What gRPC puts before each message: a flag and its length (PROTOCOL-HTTP2.md, Length-Prefixed-Message).
    private const int PrefixLength = 5;

    /// <summary>The update that the data belongs to; null in a message that follows another, and in a <c>DataChunk</c>.</summary>
    public UploadHead? Head { get; init; }

    /// <summary>Where the data begins; 0 in a <c>DataChunk</c>.</summary>
    public long Offset { get; init; }

    /// <summary>The data.</summary>
    public ReadOnlySequence<byte> Data { get; init; }

    /// <summary>Reads and writes <c>UploadRequest</c>.</summary>
    public static Marshaller<Chunk> Upload { get; } = MarshallerOf(UploadHeadField, UploadOffsetField, UploadDataField);

    /// <summary>Reads and writes <c>DataChunk</c>.</summary>
    public static Marshaller<Chunk> Blob { get; } = MarshallerOf(head: 0, offset: 0, data: 1);

    /// <summary>How many bytes a stream of <c>UploadRequest</c> has on the wire that brings an update in chunks of one length, of which the last may be shorter.</summary>
    /// <param name="head">The update.</param>
    /// <param name="offset">Where in the update the stream begins.</param>
    /// <param name="chunkBytes">The length of the chunks' data.</param>
    public static long LengthOfStream(UploadHead head, long offset, int chunkBytes)
    {
        long left = head.Length - offset, first = Math.Min(left, chunkBytes);
        (long whole, long last) = Math.DivRem(left - first, chunkBytes);
        return OnWire(head, offset, first) + (whole * OnWire(null, 0, chunkBytes)) + (last == 0 ? 0 : OnWire(null, 0, last));

        static long OnWire(UploadHead? head, long offset, long dataLength) => PrefixLength + LengthOf(head, offset, dataLength, UploadHeadField, UploadOffsetField, UploadDataField);
    }

    private static Marshaller<Chunk> MarshallerOf(uint head, uint offset, uint data) =>
        Marshallers.Create<Chunk>((chunk, context) => Write(chunk, context, head, offset, data), context => Read(context, head, offset, data));

    // The data is the last field. What has its default is not written, as in generated messages.
    private static void Write(Chunk chunk, SerializationContext context, uint head, uint offset, uint data)
    {
        context.SetPayloadLength(checked((int)LengthOf(chunk.Head, chunk.Offset, chunk.Data.Length, head, offset, data)));
        IBufferWriter<byte> buffer = context.GetBufferWriter();
        if (chunk.Head is not null)
        {
            WireFormat.Write(buffer, head, WireFormat.Bytes, chunk.Head.CalculateSize());
            chunk.Head.WriteTo(buffer);
        }

        if (chunk.Offset != 0) WireFormat.Write(buffer, offset, WireFormat.Number, chunk.Offset);
        if (!chunk.Data.IsEmpty)
        {
            WireFormat.Write(buffer, data, WireFormat.Bytes, chunk.Data.Length);
            if (context is IPayloadSink sink) sink.Append(chunk.Data);
            else foreach (ReadOnlyMemory<byte> part in chunk.Data) buffer.Write(part.Span);
        }

        context.Complete();
    }

    private static long LengthOf(UploadHead? update, long start, long dataLength, uint head, uint offset, uint data)
    {
        int headLength = update?.CalculateSize() ?? 0;
        return (update is null ? 0 : headLength + WireFormat.LengthOf(head, headLength))
            + (start == 0 ? 0 : WireFormat.LengthOf(offset, start))
            + (dataLength == 0 ? 0 : dataLength + WireFormat.LengthOf(data, dataLength));
    }

    private static Chunk Read(DeserializationContext context, uint head, uint offset, uint data)
    {
        var reader = new SequenceReader<byte>(context.PayloadAsReadOnlySequence());
        UploadHead? readHead = null;
        long readOffset = 0;
        ReadOnlySequence<byte> readData = default;
        while (!reader.End)
        {
            (uint field, int type) = WireFormat.ReadTag(ref reader);
            if (field == data && type == WireFormat.Bytes) readData = WireFormat.ReadBytes(ref reader);
            else if (field == head && type == WireFormat.Bytes) Merge(readHead ??= new UploadHead(), WireFormat.ReadBytes(ref reader));
            else if (field == offset && type == WireFormat.Number) readOffset = (long)WireFormat.ReadNumber(ref reader);
            else WireFormat.Skip(ref reader, type);
        }

        bool isKept = !readData.IsEmpty && context is ILeasedPayload lease && lease.TryKeep();
        if (!isKept) readData = new ReadOnlySequence<byte>(readData.ToArray());
        return new Chunk { Head = readHead, Offset = readOffset, Data = readData };
    }

    // A field that comes again is merged into what came before.
    private static void Merge(UploadHead head, ReadOnlySequence<byte> bytes)
    {
        try
        {
            head.MergeFrom(bytes);
        }
        catch (InvalidProtocolBufferException fault)
        {
            throw WireFormat.Fault(fault);
        }
    }
}
