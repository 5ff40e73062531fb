using System.Diagnostics;
using FedCore.Aggregator.Fleet;
using FedCore.Aggregator.Runs;
using FedCore.Aggregator.Sites;
using FedCore.Aggregator.Spooling;
using FedCore.Aggregator.Telemetry;
using FedCore.Protocol.Transfers;
using FedCore.Protocol.V1;
using Grpc.Core;

namespace FedCore.Aggregator.Services;

/// <summary>How updates come: <c>fedcore.v1.Uploads</c>.</summary>
internal sealed class UploadsService(AggregatorParts parts, UploadDesk desk) : UploadsBase
{
    public override async Task<UploadState> SendPart(Chunk request, ServerCallContext context)
    {
        Site site = Caller.SiteOf(context);
        using Activity? activity = UploadTrace.Start(context);
        if (request.Offset < 0) throw RpcFault.Invalid("offset", $"is {request.Offset}, below 0.");
        if (request.Head is not { } head) throw RpcFault.Invalid("head", "is missing.");
        if (request.Offset == 0 && request.Data.Length == head.Length && head.Length <= Spool.MaxAppendLength)
            return await desk.TakeWholeAsync(site, head, request.Data, context.CancellationToken).ConfigureAwait(false);
        (RemoteTask task, StagedUpload? upload, UploadState? answer) = await desk.BeginAsync(site, head, context.CancellationToken).ConfigureAwait(false);
        if (answer is not null) return answer;
        using (upload)
        {
            // Who is elsewhere is told where to go on.
            long offset = desk.OffsetOf(task, upload!);
            if (offset != request.Offset) return new UploadState { Offset = offset };
            offset = desk.Write(task, upload!, request.Data);
            return offset == head.Length ? await desk.CompleteAsync(task, head, upload!).ConfigureAwait(false) : new UploadState { Offset = offset };
        }
    }

    public override async Task<UploadState> Send(IAsyncStreamReader<Chunk> requestStream, ServerCallContext context)
    {
        Site site = Caller.SiteOf(context);
        using Activity? activity = UploadTrace.Start(context);
        using var silence = new CancellationTokenSource(Timeout.InfiniteTimeSpan, parts.Clock);
        if (!await NextAsync(requestStream, silence, context).ConfigureAwait(false)) throw RpcFault.Invalid("head", "is missing: the stream is empty.");
        Chunk first = requestStream.Current;
        if (first.Head is not { } head) throw RpcFault.Invalid("head", "is missing in the stream's first message.");
        (RemoteTask task, StagedUpload? upload, UploadState? answer) = await desk.BeginAsync(site, head, context.CancellationToken).ConfigureAwait(false);
        if (answer is not null) return answer;
        using (upload)
        {
            long offset = desk.OffsetOf(task, upload!);
            if (offset != first.Offset) return new UploadState { Offset = offset };
            do offset = desk.Write(task, upload!, requestStream.Current.Data);
            while (offset < head.Length && await NextAsync(requestStream, silence, context).ConfigureAwait(false));
            return offset == head.Length ? await desk.CompleteAsync(task, head, upload!).ConfigureAwait(false) : new UploadState { Offset = offset };
        }
    }

    private async Task<bool> NextAsync(IAsyncStreamReader<Chunk> stream, CancellationTokenSource silence, ServerCallContext context)
    {
        bool isThere = await Silence.NextAsync(stream, silence, parts.Settings.LivenessSeconds, "Go on where the upload stopped.", context).ConfigureAwait(false);
        Caller.Recheck(context);
        return isThere;
    }
}
