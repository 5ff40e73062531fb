using System.Buffers;
using System.Security.Cryptography;
using FedCore.Protocol.Transfers;
using FedCore.Protocol.V1;
using Google.Protobuf;
using Grpc.Core;

namespace FedCore.Benchmarks.Service;

/// <summary>How a site's client gets models and sends updates.</summary>
internal sealed class SiteTransfers(CallInvoker invoker, Edge.EdgeClient edge, JoinReply joined, CallOptions options)
{
    private readonly UploadsClient _uploads = new(invoker);
    private readonly BlobsClient _blobs = new(invoker);

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
    public async Task UploadAsync(string task, ReadOnlyMemory<byte> update)
    {
        var head = new UploadHead { TaskId = task, Digest = ByteString.CopyFrom(SHA256.HashData(update.Span)), Length = update.Length };
        UploadState state = update.Length <= joined.InlineBytes
            ? await _uploads.SendPartAsync(new Chunk { Head = head, Data = new ReadOnlySequence<byte>(update) }, options)
            : await StreamAsync(head, update);
        if (!state.IsAccepted) throw FedCoreException.RunFailed("benchmark.upload", $"The aggregator has {state.Offset} of {update.Length} bytes.");
    }

    private async Task<UploadState> StreamAsync(UploadHead head, ReadOnlyMemory<byte> update)
    {
        int offset = (int)(await edge.FindUploadAsync(head, options)).Offset;
        using var call = _uploads.Send(options);
        for (bool isFirst = true; offset < update.Length; isFirst = false)
        {
            ReadOnlyMemory<byte> part = update.Slice(offset, Math.Min(joined.ChunkBytes, update.Length - offset));
            await call.RequestStream.WriteAsync(isFirst ? new Chunk { Head = head, Offset = offset, Data = new ReadOnlySequence<byte>(part) } : new Chunk { Data = new ReadOnlySequence<byte>(part) });
            offset += part.Length;
        }

        await call.RequestStream.CompleteAsync();
        return await call;
    }
}
