using System.Buffers;
using System.Net;
using System.Security.Cryptography;
using FedCore.Protocol.Transfers;
using FedCore.Protocol.V1;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;
using Grpc.Net.Client.Web;

namespace FedCore.Benchmarks.Service;

/// <summary>How a site's client gets models and sends updates: what is long goes over HTTP/1.1.</summary>
/// <param name="calls">The way of all other calls.</param>
/// <param name="http1">The way of what is long.</param>
/// <param name="joined">What the aggregator has said when the site joined.</param>
/// <param name="options">What goes with each call.</param>
internal sealed class SiteTransfers(CallInvoker calls, GrpcChannel http1, JoinReply joined, CallOptions options)
{
    private readonly UploadsClient _short = new(calls), _long = new(http1.CreateCallInvoker());
    private readonly BlobsClient _blobs = new(http1.CreateCallInvoker());

    /// <summary>Opens the way of what is long.</summary>
    public static GrpcChannel Open(string address, GrpcWebHandler handler) =>
        GrpcChannel.ForAddress(address, new GrpcChannelOptions { HttpHandler = handler, HttpVersion = HttpVersion.Version11 });

    /// <summary>Fetches a blob and checks its digest.</summary>
    public async Task DownloadAsync(Blob blob)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        using var call = _blobs.Download(new DownloadRequest { Digest = blob.Digest }, options);
        while (await call.ResponseStream.MoveNext(CancellationToken.None))
            foreach (ReadOnlyMemory<byte> part in call.ResponseStream.Current.Data) hash.AppendData(part.Span);
        if (!hash.GetHashAndReset().AsSpan().SequenceEqual(blob.Digest.Span)) throw FedCoreException.RunFailed("benchmark.digest", "A blob is not that of its digest.");
    }

    /// <summary>Sends an update: in one call where it is short, otherwise in chunks, as the client does.</summary>
    public async Task UploadAsync(string task, (ReadOnlySequence<byte> Bytes, byte[] Digest) update)
    {
        var head = new UploadHead { TaskId = task, Digest = ByteString.CopyFrom(update.Digest), Length = update.Bytes.Length };
        UploadState state = head.Length <= joined.InlineBytes
            ? await _short.SendPartAsync(new Chunk { Head = head, Data = update.Bytes }, options)
            : await StreamAsync(head, update.Bytes);
        if (!state.IsAccepted) throw FedCoreException.RunFailed("benchmark.upload", $"The aggregator has {state.Offset} of {head.Length} bytes.");
    }

    private async Task<UploadState> StreamAsync(UploadHead head, ReadOnlySequence<byte> update)
    {
        using var call = _long.Send(options, Chunk.LengthOfStream(head, 0, joined.ChunkBytes));
        for (long offset = 0; offset < update.Length;)
        {
            ReadOnlySequence<byte> part = update.Slice(offset, Math.Min(joined.ChunkBytes, update.Length - offset));
            await call.RequestStream.WriteAsync(offset == 0 ? new Chunk { Head = head, Data = part } : new Chunk { Data = part });
            offset += part.Length;
        }

        await call.RequestStream.CompleteAsync();
        return await call;
    }
}
