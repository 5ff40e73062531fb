using System.Buffers;
using FedCore.Aggregator.Fleet;
using FedCore.Aggregator.Models;
using FedCore.Aggregator.Runs;
using FedCore.Aggregator.Sites;
using FedCore.Protocol.Transfers;
using FedCore.Protocol.V1;
using Grpc.Core;
using Microsoft.AspNetCore.Http;
using Blob = FedCore.Protocol.V1.Blob;

namespace FedCore.Aggregator.Services;

/// <summary>The store as clients and coordinators see it: <c>fedcore.v1.Blobs</c>.</summary>
internal sealed class BlobsService(AggregatorParts parts, RunDirectory runs) : BlobsBase
{
    private const int DigestBytes = 32;

    private readonly BlobPieces _pieces = new();

    public override async Task Download(DownloadRequest request, IServerStreamWriter<Chunk> responseStream, ServerCallContext context)
    {
        if (request.Digest.Length != DigestBytes) throw RpcFault.Invalid("digest", $"has {request.Digest.Length} bytes; a SHA-256 has {DigestBytes}.");
        string digest = StoredBlob.DigestOf(request.Digest.Span);

        // A site reads what its tasks name. To others it is as if there were nothing.
        Site? site = Caller.Of(context).Site;
        RemoteTask[] tasks = site is null ? [] : await FindTasksAsync(site, digest, context.CancellationToken).ConfigureAwait(false);
        if ((site is not null && tasks.Length == 0) || !parts.Blobs.Contains(digest))
            throw RpcFault.Of(StatusCode.NotFound, "blob.unknown", $"There is no {digest}, or no task of the site that needs it.", "digest");
        using Models.Blob blob = Open(digest);
        if (request.Offset < 0 || request.Offset > blob.Length) throw RpcFault.Invalid("offset", $"is {request.Offset}; the blob has {blob.Length} bytes.");

        // Who takes nothing for long does not keep what was made ready for him.
        using var stall = new CancellationTokenSource(Timeout.InfiniteTimeSpan, parts.Clock);
        using CancellationTokenRegistration abort = stall.Token.UnsafeRegister(static http => ((HttpContext)http!).Abort(), context.GetHttpContext());
        for (long offset = request.Offset; offset < blob.Length;)
        {
            using BlobPieces.Piece piece = Take(blob, offset / BlobPieces.PieceBytes);
            ReadOnlyMemory<byte> bytes = piece.Bytes[(int)(offset % BlobPieces.PieceBytes)..];
            stall.CancelAfter(TimeSpan.FromSeconds(parts.Settings.LivenessSeconds));
            await responseStream.WriteAsync(new Chunk { Data = new ReadOnlySequence<byte>(bytes) }, context.CancellationToken).ConfigureAwait(false);
            offset += bytes.Length;
            parts.Metrics.Sent(bytes.Length);
            foreach (RemoteTask task in tasks) task.Hear(parts.Clock.GetTimestamp());
            Caller.Recheck(context);
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

    private async ValueTask<RemoteTask[]> FindTasksAsync(Site site, string digest, CancellationToken ct)
    {
        RemoteTask[] tasks = Find();
        if (tasks.Length > 0) return tasks;

        // Until the runs of an earlier process are taken up, nobody can say what is needed; nor while a run is held up.
        await runs.Settled.WaitAsync(ct).ConfigureAwait(false);
        tasks = Find();
        if (tasks.Length == 0 && parts.Board.All.Any(task => task.IsHeld && task.Site == site && Names(task, digest))) throw RpcFault.HeldUp("Ask for this again later.");
        return tasks;

        RemoteTask[] Find() => [.. site.Tasks.Where(task => Names(task, digest))];
    }

    private Models.Blob Open(string digest)
    {
        try
        {
            return parts.Blobs.OpenRead(digest);
        }
        catch (FedCoreException fault)
        {
            throw RpcFault.From(fault, "digest");
        }
    }

    private BlobPieces.Piece Take(Models.Blob blob, long number)
    {
        try
        {
            return _pieces.Take(blob, number);
        }
        catch (IOException fault)
        {
            throw RpcFault.From(FedCoreException.RunFailed("blob.read", $"{blob.Digest} cannot be read: {fault.Message}", fault));
        }
    }

    private static bool Names(RemoteTask task, string digest) =>
        task.Fleet.Definition.Digest == digest || (task.Inputs is { } inputs && (inputs.Model.Digest == digest || inputs.Broadcasts.Any(broadcast => broadcast.Values.Digest == digest)));
}
