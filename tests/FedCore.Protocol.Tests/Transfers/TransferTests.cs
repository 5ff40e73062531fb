using System.Buffers;
using FedCore.Protocol.Tests.Probing;
using FedCore.Protocol.Transfers;
using FedCore.Protocol.V1;
using Grpc.Core;
using Grpc.Net.Client;

namespace FedCore.Protocol.Tests.Transfers;

/// <summary>Chunks from end to end.</summary>
public class TransferTests
{
    private const int ChunkBytes = TransferServer.ChunkBytes;

    [Fact]
    public async Task A_stream_of_chunks_comes_as_it_was_sent()
    {
        List<(UploadHead? Head, long Offset, byte[] Data)> came = [];
        await using ProbeServer server = await TransferServer.StartAsync(chunk => came.Add((chunk.Head, chunk.Offset, chunk.Data.ToArray())));
        using GrpcChannel channel = server.Channel();
        byte[] data = TransferServer.Data(3 * ChunkBytes / 2);
        var head = new UploadHead { TaskId = "task", Length = data.Length };
        using AsyncClientStreamingCall<Chunk, UploadState> call = new UploadsClient(channel.CreateCallInvoker()).Send(Within.Options());
        await call.RequestStream.WriteAsync(new Chunk { Head = head, Data = Sequence.Of(data[..ChunkBytes], 1000) });
        await call.RequestStream.WriteAsync(new Chunk { Offset = ChunkBytes, Data = new ReadOnlySequence<byte>(data, ChunkBytes, data.Length - ChunkBytes) });
        await call.RequestStream.WriteAsync(new Chunk());
        await call.RequestStream.CompleteAsync();
        Assert.Equal(data.Length, (await call).Offset);
        Assert.Equal([(head, 0), (null, ChunkBytes), (null, 0)], came.Select(chunk => (chunk.Head, chunk.Offset)));
        Assert.Equal(data, came.SelectMany(chunk => chunk.Data));
    }

    [Fact]
    public async Task A_single_chunk_can_be_read_until_the_call_ends()
    {
        byte[] data = TransferServer.Data(ChunkBytes), came = [];
        await using ProbeServer server = await TransferServer.StartAsync(chunk => came = chunk.Data.ToArray());
        using GrpcChannel channel = server.Channel();
        UploadState state = await new UploadsClient(channel.CreateCallInvoker()).SendPartAsync(new Chunk { Offset = 5, Data = new ReadOnlySequence<byte>(data) }, Within.Options());
        Assert.Equal(data.Length + 5, state.Offset);
        Assert.Equal(data, came);
    }

    [Fact]
    public async Task A_stream_down_comes_as_it_was_sent()
    {
        await using ProbeServer server = await TransferServer.StartAsync();
        using GrpcChannel channel = server.Channel();
        byte[] data = TransferServer.Data(ChunkBytes);
        using AsyncServerStreamingCall<Chunk> call = new BlobsClient(channel.CreateCallInvoker()).Download(new DownloadRequest { Offset = 9 }, Within.Options());
        int count = 0;
        for (; await call.ResponseStream.MoveNext(); count++) Assert.True(Equal(data, call.ResponseStream.Current.Data));
        Assert.Equal(9, count);
    }

    [Fact]
    public async Task The_wire_carries_little_more_than_the_data()
    {
        const int Chunks = 100;
        await using ProbeServer server = await TransferServer.StartAsync();
        await using var line = new CountedLine(server.Address);
        using GrpcChannel channel = GrpcChannel.ForAddress(line.Address);
        CallInvoker invoker = channel.CreateCallInvoker();
        var chunk = new Chunk { Data = new ReadOnlySequence<byte>(TransferServer.Data(ChunkBytes)) };
        using (AsyncClientStreamingCall<Chunk, Blob> up = new BlobsClient(invoker).Put(Within.Options()))
        {
            for (int i = 0; i < Chunks; i++) await up.RequestStream.WriteAsync(chunk);
            await up.RequestStream.CompleteAsync();
            await up;
        }

        double overhead = line.Bytes / ((double)Chunks * ChunkBytes);
        long before = line.Bytes;
        using (AsyncServerStreamingCall<Chunk> down = new BlobsClient(invoker).Download(new DownloadRequest { Offset = Chunks }, Within.Options()))
            while (await down.ResponseStream.MoveNext()) ;

        // With the connection's beginning, in both directions.
        Assert.InRange(overhead, 1, 1.002);
        Assert.InRange((line.Bytes - before) / ((double)Chunks * ChunkBytes), 1, 1.002);
    }

    [Fact]
    public async Task Bytes_that_are_no_chunk_fail_the_call()
    {
        await using ProbeServer server = await TransferServer.StartAsync();
        using GrpcChannel channel = server.Channel();
        var method = new Method<Ask, UploadState>(MethodType.Unary, "fedcore.v1.Uploads", "SendPart", Messages.Of<Ask>(), Messages.Of<UploadState>());
        using AsyncUnaryCall<UploadState> call = channel.CreateCallInvoker().AsyncUnaryCall(method, null, Within.Options(), Ask.For("no head"));
        RpcException failure = await Assert.ThrowsAsync<RpcException>(async () => await call);
#if !GRPC_DOTNET
        Assert.Equal(StatusCode.Internal, failure.StatusCode);
        Assert.Empty(server.Log.Errors);
#endif
        Assert.NotEqual(StatusCode.OK, failure.StatusCode);
    }

    private static bool Equal(ReadOnlySpan<byte> data, ReadOnlySequence<byte> sequence)
    {
        if (data.Length != sequence.Length) return false;
        foreach (ReadOnlyMemory<byte> part in sequence)
        {
            if (!data[..part.Length].SequenceEqual(part.Span)) return false;
            data = data[part.Length..];
        }

        return true;
    }
}
