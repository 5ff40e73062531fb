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
    /// <summary>The update that the data belongs to; null in a message that follows another, and in a <c>DataChunk</c>.</summary>
    public UploadHead? Head { get; init; }

    /// <summary>Where the data begins; 0 in a <c>DataChunk</c>.</summary>
    public long Offset { get; init; }

    /// <summary>The data.</summary>
    public ReadOnlySequence<byte> Data { get; init; }

    /// <summary>Reads and writes <c>UploadRequest</c>.</summary>
    public static Marshaller<Chunk> Upload { get; } = MarshallerOf(head: 1, offset: 2, data: 3);

    /// <summary>Reads and writes <c>DataChunk</c>.</summary>
    public static Marshaller<Chunk> Blob { get; } = MarshallerOf(head: 0, offset: 0, data: 1);

    private static Marshaller<Chunk> MarshallerOf(uint head, uint offset, uint data) =>
        Marshallers.Create<Chunk>((chunk, context) => Write(chunk, context, head, offset, data), context => Read(context, head, offset, data));

    // The data is the last field. What has its default is not written, as in generated messages.
    private static void Write(Chunk chunk, SerializationContext context, uint head, uint offset, uint data)
    {
        int headLength = chunk.Head?.CalculateSize() ?? 0;
        int length = checked((int)((chunk.Head is null ? 0 : headLength + WireFormat.LengthOf(head, headLength))
            + (chunk.Offset == 0 ? 0 : WireFormat.LengthOf(offset, chunk.Offset))
            + (chunk.Data.IsEmpty ? 0 : chunk.Data.Length + WireFormat.LengthOf(data, chunk.Data.Length))));
        context.SetPayloadLength(length);
        IBufferWriter<byte> buffer = context.GetBufferWriter();
        if (chunk.Head is not null)
        {
            WireFormat.Write(buffer, head, WireFormat.Bytes, headLength);
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
