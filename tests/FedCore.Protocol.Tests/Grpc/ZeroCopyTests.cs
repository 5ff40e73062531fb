using System.Buffers;
using System.IO.Pipelines;
using FedCore.Protocol.Tests.Calls;
using FedCore.Protocol.Tests.Probing;
using FedCore.Protocol.Tests.Transfers;
using FedCore.Protocol.Transfers;
using FedCore.Protocol.V1;
using Grpc;
using Grpc.Core;
using Grpc.Net.Client;

namespace FedCore.Protocol.Tests.Grpc;

/// <summary>Chunks are neither copied out of the pipe nor into a message. Alone, since what is allocated belongs to the whole process.</summary>
[Collection(nameof(EndingTests))]
public class ZeroCopyTests
{
    private const int ChunkBytes = TransferServer.ChunkBytes, Chunks = 200;

    [Fact]
    public async Task Data_is_a_view_of_the_pipes_memory_until_the_next_message_is_wanted()
    {
        byte[] first = Framed(TransferServer.Data(5000)), second = Framed(TransferServer.Data(100));
        byte[] wire = [.. first, .. second];
        var pipe = new WatchedReader(wire);
        var reader = new MessageReader<Chunk>(pipe, Chunk.Blob, int.MaxValue, isSingle: false, canKeep: true);

        Chunk chunk = (await reader.ReadAsync(TestContext.Current.CancellationToken))!;
        Assert.True(chunk.Data.IsSingleSegment && wire.AsSpan().Overlaps(chunk.Data.FirstSpan, out int at) && at == first.Length - 5000);
        Assert.Equal(0, pipe.Consumed);
        chunk = (await reader.ReadAsync(TestContext.Current.CancellationToken))!;
        Assert.True(wire.AsSpan().Overlaps(chunk.Data.FirstSpan));
        Assert.Equal(first.Length, pipe.Consumed);
        Assert.Null(await reader.ReadAsync(TestContext.Current.CancellationToken));
        Assert.Equal(wire.Length, pipe.Consumed);
    }

    [Fact]
    public async Task The_data_of_a_single_message_is_held_until_the_reader_lets_it_go()
    {
        byte[] wire = Framed(TransferServer.Data(5000));
        var pipe = new WatchedReader(wire);
        var reader = new MessageReader<Chunk>(pipe, Chunk.Blob, int.MaxValue, isSingle: true, canKeep: true);
        Chunk chunk = (await reader.ReadAsync(TestContext.Current.CancellationToken))!;
        Assert.True(wire.AsSpan().Overlaps(chunk.Data.FirstSpan));
        Assert.Equal(0, pipe.Consumed);
        reader.Release();
        Assert.Equal(wire.Length, pipe.Consumed);
    }

    [Fact]
    public async Task Data_is_copied_where_the_payload_cannot_be_kept()
    {
        byte[] wire = Framed(TransferServer.Data(5000));
        var pipe = new WatchedReader(wire);
        var reader = new MessageReader<Chunk>(pipe, Chunk.Blob, int.MaxValue, isSingle: true, canKeep: false);
        Chunk chunk = (await reader.ReadAsync(TestContext.Current.CancellationToken))!;
        Assert.Equal(wire.Length, pipe.Consumed);
        Assert.False(wire.AsSpan().Overlaps(chunk.Data.FirstSpan));
        Assert.Equal(TransferServer.Data(5000), chunk.Data.ToArray());
    }

    [Fact]
    public async Task A_message_without_data_gives_its_bytes_back_at_once()
    {
        byte[] wire = [0, 0, 0, 0, 2, 16, 1];
        var pipe = new WatchedReader(wire);
        var reader = new MessageReader<DownloadRequest>(pipe, Messages.Of<DownloadRequest>(), int.MaxValue, isSingle: true, canKeep: true);
        Assert.Equal(new DownloadRequest { Offset = 1 }, await reader.ReadAsync(TestContext.Current.CancellationToken));
        Assert.Equal(wire.Length, pipe.Consumed);
    }

    [Fact]
    public async Task Sent_data_reaches_the_stream_from_where_it_lies()
    {
        byte[] data = TransferServer.Data(5000);
        using var stream = new WatchedStream();
        await new StreamMessageWriter(new ArrayBufferWriter<byte>(), int.MaxValue)
            .WriteAsync(stream, Chunk.Blob, new Chunk { Data = new ReadOnlySequence<byte>(data) }, TestContext.Current.CancellationToken);
        Assert.Equal(2, stream.Writes.Count);
        Assert.True(data.AsSpan() == stream.Writes[1].Span);
    }

    [Fact]
    public async Task A_streamed_chunk_costs_a_few_KiB_at_both_ends_together()
    {
        await using ProbeServer server = await TransferServer.StartAsync();
        using GrpcChannel channel = server.Channel();
        CallInvoker invoker = channel.CreateCallInvoker();
        var chunk = new Chunk { Data = new ReadOnlySequence<byte>(TransferServer.Data(ChunkBytes)) };
        foreach (Func<Task> stream in (Func<Task>[])[UpAsync, DownAsync])
        {
            // Pools grow when a reader falls behind further than ever before, which a stream does once.
            long perChunk = long.MaxValue;
            for (int i = 0; i < 4; i++)
            {
                long before = GC.GetTotalAllocatedBytes(precise: true);
                await stream();
                perChunk = Math.Min(perChunk, (GC.GetTotalAllocatedBytes(precise: true) - before) / Chunks);
            }

            TestContext.Current.TestOutputHelper!.WriteLine($"{stream.Method.Name}: {perChunk} bytes allocated per chunk");
            Assert.InRange(perChunk, 0, 8 << 10);
        }

        async Task UpAsync()
        {
            using AsyncClientStreamingCall<Chunk, Blob> call = new BlobsClient(invoker).Put(Within.Options());
            for (int i = 0; i < Chunks; i++) await call.RequestStream.WriteAsync(chunk);
            await call.RequestStream.CompleteAsync();
            Assert.Equal((long)Chunks * ChunkBytes, (await call).Length);
        }

        async Task DownAsync()
        {
            using AsyncServerStreamingCall<Chunk> call = new BlobsClient(invoker).Download(new DownloadRequest { Offset = Chunks }, Within.Options());
            long length = 0;
            while (await call.ResponseStream.MoveNext()) length += call.ResponseStream.Current.Data.Length;
            Assert.Equal((long)Chunks * ChunkBytes, length);
        }
    }

    private static byte[] Framed(byte[] data)
    {
        var pipe = new Pipe(new PipeOptions(pauseWriterThreshold: 0));
        new PipeMessageWriter(pipe.Writer, int.MaxValue).Write(Chunk.Blob, new Chunk { Data = new ReadOnlySequence<byte>(data) });
        pipe.Writer.Complete();
        Assert.True(pipe.Reader.TryRead(out ReadResult read));
        return read.Buffer.ToArray();
    }

    /// <summary>A pipe that holds everything, and tells how much of it was given back.</summary>
    private sealed class WatchedReader(byte[] bytes) : PipeReader
    {
        private readonly ReadOnlySequence<byte> _all = new(bytes);
        private SequencePosition _at = new ReadOnlySequence<byte>(bytes).Start;

        public long Consumed => _all.Slice(_all.Start, _at).Length;

        public override void AdvanceTo(SequencePosition consumed) => _at = consumed;

        public override void AdvanceTo(SequencePosition consumed, SequencePosition examined) => _at = consumed;

        public override void CancelPendingRead() => throw new NotSupportedException();

        public override void Complete(Exception? exception = null)
        {
        }

        public override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default) => new(new ReadResult(_all.Slice(_at), isCanceled: false, isCompleted: true));

        public override bool TryRead(out ReadResult result) => throw new NotSupportedException();
    }

    private sealed class WatchedStream : MemoryStream
    {
        public List<ReadOnlyMemory<byte>> Writes { get; } = [];

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            Writes.Add(buffer);
            return ValueTask.CompletedTask;
        }
    }
}
