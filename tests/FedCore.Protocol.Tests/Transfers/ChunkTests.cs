using System.Buffers;
using FedCore.Core.Tests;
using FedCore.Protocol.Transfers;
using FedCore.Protocol.V1;
using FsCheck;
using FsCheck.Fluent;
using Google.Protobuf;
using Grpc.Core;

namespace FedCore.Protocol.Tests.Transfers;

/// <summary>Chunks against the messages that Protocol Buffers' own generator makes.</summary>
public class ChunkTests
{
    private static readonly Gen<byte[]> SomeBytes = from length in Gen.Frequency((1, Gen.Constant(0)), (4, Gen.Choose(1, 300))) from bytes in Gen.ArrayOf(Gen.Choose(0, 255), length) select bytes.Select(b => (byte)b).ToArray();

    private static readonly Gen<long> Numbers = Gen.OneOf(Gen.Elements(0L, 1, 127, 128, int.MaxValue, uint.MaxValue, long.MaxValue, -1, long.MinValue), Gen.Choose(0, 1 << 30).Select(n => (long)n));

    private static readonly Gen<UploadHead> Heads =
        from id in Gen.Elements("", "0123456789abcdef0123456789abcdef", "\u00e4\u6f22")
        from digest in SomeBytes
        from length in Numbers
        from steps in Gen.Elements<int?>(null, 0, 7, -1)
        from age in Numbers
        select Head(id, digest, length, steps, age);

    private static readonly Gen<UploadRequest> Requests =
        from head in Gen.Frequency((1, Gen.Constant<UploadHead?>(null)), (2, Heads.Select(head => (UploadHead?)head)))
        from offset in Numbers
        from data in SomeBytes
        select new UploadRequest { Head = head, Offset = offset, Data = ByteString.CopyFrom(data) };

    // Fields of the message and others, in any order, some of them several times.
    private static readonly Gen<byte[]> Fields = Gen.ListOf(Gen.OneOf(
        Heads.Select(head => Field(1, 2, [.. Number(head.CalculateSize()), .. head.ToByteArray()])),
        Numbers.Select(offset => Field(2, 0, Number(offset))),
        SomeBytes.Select(data => Field(3, 2, [.. Number(data.Length), .. data])),
        from field in Gen.Elements(1, 2, 3, 4, 15, 16, 5000, (1 << 29) - 1)
        from type in Gen.Elements(0, 1, 2, 5)
        from content in SomeBytes
        where (field, type) is not ((1 or 3), 2)
        select Field(field, type, type switch { 0 => Number(content.Length), 1 => new byte[8], 2 => [.. Number(content.Length), .. content], _ => new byte[4] })))
        .Select(fields => fields.SelectMany(field => field).ToArray());

    [Fact]
    public void An_upload_chunk_is_written_as_the_generated_message_is() => Prop.ForAll(Requests.ToArbitrary(), request =>
    {
        var chunk = new Chunk { Head = request.Head, Offset = request.Offset, Data = Sequence.Of(request.Data.ToByteArray()) };
        Assert.Equal(request.ToByteArray(), Written(Chunk.Upload, chunk));
    }).Check(Properties.Cases(500));

    [Fact]
    public void A_streams_length_is_that_of_its_messages_with_their_prefixes() => Prop.ForAll(
        (from head in Heads
         from length in Gen.Choose(0, 100_000)
         from offset in Gen.Choose(0, length)
         from chunkBytes in Gen.Choose(1, 10_000)
         select (Head: Head(head.TaskId, head.Digest.ToByteArray(), length, head.HasSteps ? head.Steps : null, head.AgeSeconds), offset, chunkBytes)).ToArbitrary(), stream =>
    {
        (UploadHead head, int start, int chunkBytes) = stream;
        long expected = 0;
        int offset = start;
        do
        {
            byte[] data = new byte[Math.Min(chunkBytes, (int)head.Length - offset)];
            var request = offset == start ? new UploadRequest { Head = head, Offset = offset, Data = ByteString.CopyFrom(data) } : new UploadRequest { Data = ByteString.CopyFrom(data) };
            expected += 5 + request.CalculateSize();
            offset += data.Length;
        }
        while (offset < head.Length);
        Assert.Equal(expected, Chunk.LengthOfStream(head, start, chunkBytes));
    }).Check(Properties.Cases(500));

    [Fact]
    public void A_blob_chunk_is_written_as_the_generated_message_is() => Prop.ForAll(SomeBytes.ToArbitrary(), data =>
        Assert.Equal(new DataChunk { Data = ByteString.CopyFrom(data) }.ToByteArray(), Written(Chunk.Blob, new Chunk { Data = Sequence.Of(data) }))).Check(Properties.Cases(200));

    [Fact]
    public void An_upload_chunk_is_read_as_the_generated_message_is() => Prop.ForAll(Requests.ToArbitrary(), AssertReadsAlike).Check(Properties.Cases(500));

    [Fact]
    public void Fields_may_come_in_any_order_several_times_and_between_unknown_ones() => Prop.ForAll(Fields.ToArbitrary(), bytes =>
    {
        AssertReadsAlike(bytes);
        Assert.Equal(DataChunk.Parser.ParseFrom(bytes).Data, DataOf(Read(Chunk.Blob, bytes)));
    }).Check(Properties.Cases(1000));

    [Fact]
    public void Malformed_bytes_are_a_fault_that_is_documented_and_nothing_else() => Prop.ForAll(
        (from bytes in Gen.OneOf(SomeBytes, Fields, Requests.Select(request => request.ToByteArray()))
         from at in Gen.Choose(0, 10_000)
         from value in Gen.Choose(0, 255)
         from cut in Gen.Choose(0, 3)
         select Broken(bytes, at, (byte)value, cut)).ToArbitrary(), bytes =>
    {
        UploadRequest? expected = null;
        try
        {
            expected = UploadRequest.Parser.ParseFrom(bytes);
        }
        catch (InvalidProtocolBufferException)
        {
        }

        Exception? fault = Record.Exception(() => Read(Chunk.Upload, bytes));
        if (expected is null || fault is not null) Assert.IsType<InvalidDataException>(fault);
        else AssertReadsAlike(bytes);

        // Only groups are read by the one and not by the other.
        if (fault is not null && expected is not null) Assert.True(HasGroup(bytes));
    }).Check(Properties.Cases(5000));

    [Fact]
    public void What_is_neither_kept_nor_copied_does_not_exist()
    {
        byte[] bytes = Written(Chunk.Blob, new Chunk { Data = Sequence.Of([1, 2, 3]) });
        Chunk copied = Chunk.Blob.ContextualDeserializer(new Source(bytes));
        bytes.AsSpan().Clear();
        Assert.Equal([1, 2, 3], copied.Data.ToArray());
    }

    private static void AssertReadsAlike(UploadRequest request) => AssertReadsAlike(request.ToByteArray());

    private static void AssertReadsAlike(byte[] bytes)
    {
        UploadRequest expected = UploadRequest.Parser.ParseFrom(bytes);
        Chunk chunk = Read(Chunk.Upload, bytes);
        Assert.Equal(expected.Head, chunk.Head);
        Assert.Equal(expected.Offset, chunk.Offset);
        Assert.Equal(expected.Data, DataOf(chunk));
    }

    private static ByteString DataOf(Chunk chunk) => ByteString.CopyFrom(chunk.Data.ToArray());

    private static Chunk Read(Marshaller<Chunk> marshaller, byte[] bytes) => marshaller.ContextualDeserializer(new Source(bytes));

    private static byte[] Written(Marshaller<Chunk> marshaller, Chunk chunk)
    {
        var target = new Target();
        marshaller.ContextualSerializer(chunk, target);
        return target.Bytes;
    }

    private static UploadHead Head(string id, byte[] digest, long length, int? steps, long age)
    {
        var head = new UploadHead { TaskId = id, Digest = ByteString.CopyFrom(digest), Length = length, AgeSeconds = age };
        if (steps is { } taken) (head.Steps, head.PlannedSteps) = (taken, taken);
        return head;
    }

    private static byte[] Broken(byte[] bytes, int at, byte value, int cut)
    {
        if (bytes.Length == 0) return [value];
        byte[] broken = [.. bytes];
        if (cut < 3) broken[at % broken.Length] = value;
        return cut > 1 ? broken[..(at % broken.Length)] : broken;
    }

    private static byte[] Field(int field, int type, byte[] content) => [.. Number(((long)field << 3) | (uint)type), .. content];

    private static byte[] Number(long value)
    {
        using var stream = new MemoryStream();
        using (var output = new CodedOutputStream(stream)) output.WriteInt64(value);
        return stream.ToArray();
    }

    private static bool HasGroup(byte[] bytes)
    {
        var input = new CodedInputStream(bytes);
        while (input.ReadTag() is not 0 and var tag)
        {
            if ((tag & 7) is 3 or 4) return true;
            input.SkipLastField();
        }

        return false;
    }

    // A message in parts of a few bytes, as it may lie in a pipe.
    private sealed class Source(byte[] bytes) : DeserializationContext
    {
        public override int PayloadLength => bytes.Length;

        public override byte[] PayloadAsNewBuffer() => [.. bytes];

        public override ReadOnlySequence<byte> PayloadAsReadOnlySequence() => Sequence.Of(bytes);
    }

    private sealed class Target : SerializationContext
    {
        private readonly ArrayBufferWriter<byte> _buffer = new();
        private int? _length;

        public byte[] Bytes { get; private set; } = [];

        public override void SetPayloadLength(int payloadLength) => _length = payloadLength;

        public override IBufferWriter<byte> GetBufferWriter() => _buffer;

        public override void Complete()
        {
            Assert.Equal(_length, _buffer.WrittenCount);
            Bytes = _buffer.WrittenSpan.ToArray();
        }

        public override void Complete(byte[] payload) => Bytes = payload;
    }
}
