using System.Buffers;
using System.Security.Cryptography;
using FedCore.Protocol.Transfers;
using FedCore.Protocol.V1;
using Google.Protobuf;
using Grpc.Core;

namespace FedCore.Benchmarks.Service;

/// <summary>How a site's client gets models and sends updates.</summary>
internal sealed class SiteTransfers(CallInvoker invoker, JoinReply joined, CallOptions options)
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
    public async Task UploadAsync(string task, (ReadOnlySequence<byte> Bytes, byte[] Digest) update)
    {
        var head = new UploadHead { TaskId = task, Digest = ByteString.CopyFrom(update.Digest), Length = update.Bytes.Length };
        UploadState state = head.Length <= joined.InlineBytes
            ? await _uploads.SendPartAsync(new Chunk { Head = head, Data = update.Bytes }, options)
            : await StreamAsync(head, update.Bytes);
        if (!state.IsAccepted) throw FedCoreException.RunFailed("benchmark.upload", $"The aggregator has {state.Offset} of {head.Length} bytes.");
    }

    private async Task<UploadState> StreamAsync(UploadHead head, ReadOnlySequence<byte> update)
    {
        using var call = _uploads.Send(options);
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
