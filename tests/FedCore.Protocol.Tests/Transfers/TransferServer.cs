using System.Buffers;
using FedCore.Protocol.Tests.Probing;
using FedCore.Protocol.Transfers;
using FedCore.Protocol.V1;
using Google.Protobuf;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;

namespace FedCore.Protocol.Tests.Transfers;

/// <summary>Services of chunks that count what comes, and send as much as they are asked for.</summary>
internal static class TransferServer
{
    public const int ChunkBytes = 256 << 10;

    public static Task<ProbeServer> StartAsync(Action<Chunk>? received = null) => ProbeServer.StartAsync(
        map: app =>
        {
            app.MapGrpcService<Uploads>();
            app.MapGrpcService<Blobs>();
        },
        register: services => services.AddSingleton(new Uploads(received ?? (_ => { }))).AddSingleton<Blobs>());

    public static byte[] Data(int length)
    {
        byte[] data = new byte[length];
        new Random(length).NextBytes(data);
        return data;
    }

    internal sealed class Uploads(Action<Chunk> received) : UploadsBase
    {
        public override async Task<UploadState> SendPart(Chunk request, ServerCallContext context)
        {
            await Task.Yield();
            received(request);
            return new UploadState { Offset = request.Offset + request.Data.Length, IsAccepted = true };
        }

        public override async Task<UploadState> Send(IAsyncStreamReader<Chunk> requestStream, ServerCallContext context)
        {
            var state = new UploadState();
            while (await requestStream.MoveNext(context.CancellationToken))
            {
                state.Offset += requestStream.Current.Data.Length;
                received(requestStream.Current);
            }

            return state;
        }
    }

    internal sealed class Blobs : BlobsBase
    {
        private readonly Chunk _chunk = new() { Data = new ReadOnlySequence<byte>(Data(ChunkBytes)) };

        // The offset says how many chunks are wanted.
        public override async Task Download(DownloadRequest request, IServerStreamWriter<Chunk> responseStream, ServerCallContext context)
        {
            for (long i = 0; i < request.Offset; i++) await responseStream.WriteAsync(_chunk, context.CancellationToken);
        }

        public override async Task<Blob> Put(IAsyncStreamReader<Chunk> requestStream, ServerCallContext context)
        {
            var blob = new Blob { Digest = ByteString.CopyFrom(new byte[32]) };
            while (await requestStream.MoveNext(context.CancellationToken)) blob.Length += requestStream.Current.Data.Length;
            return blob;
        }
    }
}
