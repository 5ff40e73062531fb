using System.Buffers;
using FedCore.Aggregator.Fleet;
using FedCore.Aggregator.Models;
using FedCore.Aggregator.Runs;
using FedCore.Protocol.Transfers;
using FedCore.Protocol.V1;
using Grpc.Core;
using Blob = FedCore.Protocol.V1.Blob;

namespace FedCore.Aggregator.Services;

/// <summary>The store as clients and coordinators see it: <c>fedcore.v1.Blobs</c>.</summary>
internal sealed class BlobsService(AggregatorParts parts) : BlobsBase
{
    private const int ChunkBytes = 128 * 1024, DigestBytes = 32;

    public override async Task Download(DownloadRequest request, IServerStreamWriter<Chunk> responseStream, ServerCallContext context)
    {
        if (request.Digest.Length != DigestBytes) throw RpcFault.Invalid("digest", $"has {request.Digest.Length} bytes; a SHA-256 has {DigestBytes}.");
        string digest = StoredBlob.DigestOf(request.Digest.Span);

        // A site reads what its tasks name. To others it is as if there were nothing.
        RemoteTask[] tasks = Caller.Of(context).Site is { } site ? [.. site.Tasks.Where(task => Names(task, digest))] : [];
        if ((Caller.Of(context).Site is not null && tasks.Length == 0) || !parts.Blobs.Contains(digest))
            throw RpcFault.Of(StatusCode.NotFound, "blob.unknown", $"There is no {digest}, or no task of the site that needs it.", "digest");
        await using Stream blob = Open(digest);
        if (request.Offset < 0 || request.Offset > blob.Length) throw RpcFault.Invalid("offset", $"is {request.Offset}; the blob has {blob.Length} bytes.");
        blob.Position = request.Offset;
        byte[] buffer = ArrayPool<byte>.Shared.Rent((int)Math.Clamp(blob.Length - request.Offset, 1, ChunkBytes));
        try
        {
            int count;
            while ((count = blob.Read(buffer.AsSpan(0, Math.Min(buffer.Length, ChunkBytes)))) > 0)
            {
                await responseStream.WriteAsync(new Chunk { Data = new ReadOnlySequence<byte>(buffer, 0, count) }, context.CancellationToken).ConfigureAwait(false);
                parts.Metrics.Sent(count);
                foreach (RemoteTask task in tasks) task.Hear(parts.Clock.GetTimestamp());
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    public override async Task<Blob> Put(IAsyncStreamReader<Chunk> requestStream, ServerCallContext context)
    {
        if (Caller.Of(context).Site is not null) throw RpcFault.Of(StatusCode.PermissionDenied, "auth.role", "This call is for coordinators; the token is a site's.");
        using var silence = new CancellationTokenSource(Timeout.InfiniteTimeSpan, parts.Clock);
        try
        {
            await using BlobWriter writer = parts.Blobs.Create();
            while (await Silence.NextAsync(requestStream, silence, parts.Settings.LivenessSeconds, "Send the whole anew.", context).ConfigureAwait(false))
                foreach (ReadOnlyMemory<byte> part in requestStream.Current.Data) writer.Write(part.Span);
            return parts.Blobs.Commit(writer).ToMessage();
        }
        catch (FedCoreException fault)
        {
            throw RpcFault.From(fault);
        }
    }

    private Stream Open(string digest)
    {
        try
        {
            return parts.Blobs.OpenStream(digest);
        }
        catch (FedCoreException fault)
        {
            throw RpcFault.From(fault, "digest");
        }
    }

    private static bool Names(RemoteTask task, string digest) =>
        task.Fleet.Definition.Digest == digest || task.Inputs.Model.Digest == digest || task.Inputs.Broadcasts.Any(broadcast => broadcast.Values.Digest == digest);
}
