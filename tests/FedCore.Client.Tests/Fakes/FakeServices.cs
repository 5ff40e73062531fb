using System.Buffers;
using System.Security.Cryptography;
using FedCore.Protocol.Transfers;
using FedCore.Protocol.V1;
using Grpc.Core;

namespace FedCore.Client.Tests.Fakes;

internal sealed class FakeEdge(FakeAggregator owner) : Edge.EdgeBase
{
    public override async Task<JoinReply> Join(JoinRequest request, ServerCallContext context)
    {
        await owner.EnterAsync(nameof(Join), request, context);
        JoinReply reply = owner.Terms.Clone();
        reply.Site = FakeAggregator.SiteOf(context);
        return reply;
    }

    public override async Task<NextTaskReply> NextTask(NextTaskRequest request, ServerCallContext context)
    {
        await owner.EnterAsync(nameof(NextTask), request, context);
        string site = FakeAggregator.SiteOf(context);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken);
        limit.CancelAfter(TimeSpan.FromSeconds(owner.Terms.PollSeconds));
        while (true)
        {
            Task changed = owner.Changed;
            var reply = new NextTaskReply { Task = owner.NextFor(site, request.TasksAtHand) };
            reply.UnwantedTasks.AddRange(request.TasksAtHand.Where(task => !owner.IsWanted(task, site)));
            foreach (UnsettledTask task in request.UnsettledTasks)
                if (owner.Settlement(task) is { } counts) reply.Settlements.Add(new Settlement { TaskId = task.TaskId, Counts = counts });
            reply.EndedRuns.AddRange(owner.Ended(request.KeptRuns));
            if (reply.Task is { Model: not null } offer && request.CachedDigests.Contains(offer.Model.Digest)) (reply.Task = offer.Clone()).ModelContent = Google.Protobuf.ByteString.Empty;
            if (reply.Task is not null || reply.UnwantedTasks.Count + reply.Settlements.Count + reply.EndedRuns.Count > 0) return reply;
            try
            {
                await changed.WaitAsync(limit.Token);
            }
            catch (OperationCanceledException) when (!context.CancellationToken.IsCancellationRequested)
            {
                return new NextTaskReply();
            }
        }
    }

    public override async Task<ProgressReply> ReportProgress(ProgressRequest request, ServerCallContext context)
    {
        await owner.EnterAsync(nameof(ReportProgress), request, context);
        return new ProgressReply { IsUnwanted = !owner.IsWanted(request.TaskId, FakeAggregator.SiteOf(context)) };
    }

    public override async Task<DeclineReply> DeclineTask(DeclineRequest request, ServerCallContext context)
    {
        await owner.EnterAsync(nameof(DeclineTask), request, context);
        owner.Withdraw(request.TaskId);
        owner.OnDeclined(request);
        return new DeclineReply();
    }

    public override async Task<UploadState> FindUpload(UploadHead request, ServerCallContext context)
    {
        await owner.EnterAsync(nameof(FindUpload), request, context);
        return FakeUploads.StateOf(FakeUploads.Find(owner, request, context));
    }
}

internal sealed class FakeUploads(FakeAggregator owner) : UploadsBase
{
    public override async Task<UploadState> SendPart(Chunk request, ServerCallContext context)
    {
        UploadHead head = request.Head ?? throw FakeAggregator.Fault(StatusCode.InvalidArgument, "request.invalid", "head is missing.");
        await owner.EnterAsync(nameof(SendPart), head, context);
        await owner.OnUpload(head);
        FakeUpload upload = Find(owner, head, context);
        if (upload.IsAccepted || upload.Received != request.Offset) return StateOf(upload);
        await WriteAsync(upload, request, context);
        return await EndAsync(upload, context);
    }

    public override async Task<UploadState> Send(IAsyncStreamReader<Chunk> requestStream, ServerCallContext context)
    {
        if (!await requestStream.MoveNext(context.CancellationToken)) throw FakeAggregator.Fault(StatusCode.InvalidArgument, "request.invalid", "The stream is empty.");
        UploadHead head = requestStream.Current.Head!;
        await owner.EnterAsync(nameof(Send), head, context);
        FakeUpload upload = Find(owner, head, context);
        if (upload.IsAccepted || upload.Received != requestStream.Current.Offset) return StateOf(upload);
        do await WriteAsync(upload, requestStream.Current, context);
        while (!owner.HasEnough(upload) && await requestStream.MoveNext(context.CancellationToken));
        return await EndAsync(upload, context);
    }

    public static UploadState StateOf(FakeUpload upload) => new() { Offset = upload.Received, IsAccepted = upload.IsAccepted };

    public static FakeUpload Find(FakeAggregator owner, UploadHead head, ServerCallContext context)
    {
        bool isWanted = owner.IsWanted(head.TaskId, FakeAggregator.SiteOf(context));
        if (!isWanted && !(owner.Uploads.TryGetValue(head.TaskId, out FakeUpload? known) && known.IsAccepted))
            throw FakeAggregator.Fault(StatusCode.FailedPrecondition, "task.unwanted", "Nobody waits for this task.");
        FakeUpload upload = owner.Uploads.GetOrAdd(head.TaskId, _ => new FakeUpload(head));
        upload.Head = head.Clone();
        return upload;
    }

    private async Task WriteAsync(FakeUpload upload, Chunk chunk, ServerCallContext context)
    {
        upload.Write(chunk.Data.ToArray());
        owner.Beat();
        await owner.OnChunk(upload, context);
    }

    private async Task<UploadState> EndAsync(FakeUpload upload, ServerCallContext context)
    {
        if (upload.Received < upload.Head.Length) return StateOf(upload);
        if (!SHA256.HashData(upload.Content).AsSpan().SequenceEqual(upload.Head.Digest.Span))
        {
            owner.Uploads.TryRemove(upload.Head.TaskId, out _);
            throw FakeAggregator.Fault(StatusCode.InvalidArgument, "update.digest", "The update has another digest.");
        }

        upload.IsAccepted = true;
        owner.Withdraw(upload.Head.TaskId);
        await owner.OnAccepted(upload, context);
        owner.Beat();
        return StateOf(upload);
    }
}

internal sealed class FakeBlobs(FakeAggregator owner) : BlobsBase
{
    private const int ChunkBytes = 16 << 10;

    public override async Task Download(DownloadRequest request, IServerStreamWriter<Chunk> responseStream, ServerCallContext context)
    {
        await owner.EnterAsync(nameof(Download), request, context);
        if (!owner.Contents.TryGetValue(Convert.ToHexStringLower(request.Digest.Span), out byte[]? content)) throw FakeAggregator.Fault(StatusCode.NotFound, "blob.unknown", "There is no such blob.");
        for (int offset = (int)request.Offset; offset < content.Length; offset += ChunkBytes)
        {
            await owner.OnBlob(offset, context);
            await responseStream.WriteAsync(new Chunk { Data = new ReadOnlySequence<byte>(content, offset, Math.Min(ChunkBytes, content.Length - offset)) });
        }
    }

    public override Task<Blob> Put(IAsyncStreamReader<Chunk> requestStream, ServerCallContext context) => throw new NotSupportedException();
}
