using System.Buffers;
using System.Security.Cryptography;
using FedCore.Aggregator.Fleet;
using FedCore.Aggregator.Runs;
using FedCore.Aggregator.Sites;
using FedCore.Aggregator.Spooling;
using FedCore.Aggregator.Telemetry;
using FedCore.Compression;
using FedCore.Protocol.V1;
using FedCore.Rounds;
using FedCore.Updates;
using Grpc.Core;

namespace FedCore.Aggregator.Services;

/// <summary>
/// Takes updates in: what does not fit its task is refused before a byte of it is kept, what is kept is durable before it is acknowledged, and what was
/// acknowledged once is acknowledged again.
/// </summary>
internal sealed class UploadDesk(AggregatorParts parts, RunDirectory runs)
{
    private const int DigestBytes = 32;

    /// <summary>How much of an upload is there.</summary>
    public async Task<UploadState> FindAsync(Site site, UploadHead head, CancellationToken ct)
    {
        (RemoteTask task, StagedUpload? upload, UploadState? answer) = await BeginAsync(site, head, ct).ConfigureAwait(false);
        using (upload) return answer ?? new UploadState { Offset = OffsetOf(task, upload!) };
    }

    /// <summary>Takes an update that came whole, in one call.</summary>
    public async Task<UploadState> TakeWholeAsync(Site site, UploadHead head, ReadOnlySequence<byte> data, CancellationToken ct)
    {
        RemoteTask task = await CheckAsync(site, head, ct).ConfigureAwait(false);
        if (Known(task, head) is { } known) return known;
        task.Hear(parts.Clock.GetTimestamp());
        parts.Metrics.Received(data.Length);
        try
        {
            try
            {
                using UpdateCheck? check = task.Fleet.FormOf(task.Task).BeginCheck?.Invoke(new EncodedInPieces(data));
                check?.Advance(data.Length);
            }
            catch (UpdateRefusedException) when (!IsAsAnnounced(data, head))
            {
                // What is not what the site has made says nothing of it; the spool refuses it for its digest.
            }

            SpooledUpdate update = await parts.Spool.AppendAsync(task.Fleet.Run, task.Label, data, head.Digest.Memory, ct).ConfigureAwait(false);
            return Accept(task, head, update);
        }
        catch (FedCoreException fault)
        {
            throw Refused(task, fault);
        }
    }

    /// <summary>Begins to take an update that comes in pieces.</summary>
    /// <returns>The upload; or what is to be answered at once.</returns>
    public async Task<(RemoteTask Task, StagedUpload? Upload, UploadState? Answer)> BeginAsync(Site site, UploadHead head, CancellationToken ct)
    {
        RemoteTask task = await CheckAsync(site, head, ct).ConfigureAwait(false);
        return Known(task, head) is { } known ? (task, null, known) : await StageAsync(task, head, ct).ConfigureAwait(false);
    }

    /// <summary>How many bytes of an upload are there.</summary>
    public long OffsetOf(RemoteTask task, StagedUpload upload)
    {
        try
        {
            return upload.Offset;
        }
        catch (FedCoreException fault)
        {
            throw Refused(task, fault);
        }
    }

    /// <summary>Takes a piece.</summary>
    /// <returns>How many bytes are there with it.</returns>
    public long Write(RemoteTask task, StagedUpload upload, ReadOnlySequence<byte> data)
    {
        task.Hear(parts.Clock.GetTimestamp());
        parts.Metrics.Received(data.Length);
        try
        {
            return upload.Write(data);
        }
        catch (FedCoreException fault)
        {
            throw Refused(task, fault);
        }
    }

    /// <summary>Ends an upload whose last piece is there.</summary>
    public async Task<UploadState> CompleteAsync(RemoteTask task, UploadHead head, StagedUpload upload)
    {
        try
        {
            return Accept(task, head, await upload.CompleteAsync().ConfigureAwait(false));
        }
        catch (FedCoreException fault)
        {
            throw Refused(task, fault);
        }
    }

    // Sizes before anything else: they decide how much room is made.
    private async ValueTask<RemoteTask> CheckAsync(Site site, UploadHead? head, CancellationToken ct)
    {
        if (head is null) throw RpcFault.Invalid("head", "is missing.");
        EdgeService.RequireTaskId(head.TaskId, "head.task_id");
        if (head.Digest.Length != DigestBytes) throw RpcFault.Invalid("head.digest", $"has {head.Digest.Length} bytes; a SHA-256 has {DigestBytes}.");
        if (head.AgeSeconds < 0) throw RpcFault.Invalid("head.age_seconds", $"is {head.AgeSeconds}, below 0.");

        // Until the runs of an earlier process are taken up, nobody can say what is not wanted.
        if (parts.Board.Find(head.TaskId, site) is null) await runs.Settled.WaitAsync(ct).ConfigureAwait(false);
        if (parts.Board.Find(head.TaskId, site) is not { IsWanted: true } task) throw Unwanted();
        if (task.IsHeld) throw HeldUp();
        AnswerForm form = task.Fleet.FormOf(task.Task);
        UploadTrace.Describe(task, head);
        if (head.Length < 1 || head.Length > form.MostBytes) throw Misfit(task, "head.length", $"is {head.Length}; an update of this task has at most {form.MostBytes} bytes.", StagedUpload.WrongLength);
        if (form.Digest is { } expected && !expected.Span.SequenceEqual(head.Digest.Span))
            throw Misfit(task, "head.digest", "is not that of the word \"ready\": the run sums securely, and nothing of a single site is taken.", "update.encoding");
        return task;
    }

    private RpcException Misfit(RemoteTask task, string field, string fault, string code)
    {
        parts.Metrics.UpdateRefused(task.Fleet.Run, code);
        UploadTrace.Refused(code);
        return RpcFault.Invalid(field, fault, code);
    }

    private static UploadState? Known(RemoteTask task, UploadHead head) => task.Update switch
    {
        null => null,
        { } update when update.Digest.Span.SequenceEqual(head.Digest.Span) => new UploadState { Offset = head.Length, IsAccepted = true },
        _ => throw RpcFault.Of(StatusCode.AlreadyExists, "update.other", "The task was answered already, with another update. Drop this one.", "head.digest"),
    };

    // What is said of a task that is not open.
    private static UploadState Closing(RemoteTask task, UploadHead head) => Known(task, head) ?? throw (task.IsHeld ? HeldUp() : Unwanted());

    private async ValueTask<(RemoteTask Task, StagedUpload? Upload, UploadState? Answer)> StageAsync(RemoteTask task, UploadHead head, CancellationToken ct)
    {
        task.Hear(parts.Clock.GetTimestamp());
        try
        {
            StagedUpload upload = await parts.Spool
                .StageAsync(task.Fleet.Run, task.Label, head.Length, head.Digest.Memory, task.Fleet.FormOf(task.Task).BeginCheck, ct).ConfigureAwait(false);
            if (task.IsOpen) return (task, upload, null);

            // It was answered or taken back meanwhile, and nobody may come to drop this; what is held goes on later.
            if (task.IsHeld) upload.Dispose();
            else upload.Discard();
            return (task, null, Closing(task, head));
        }
        catch (FedCoreException fault)
        {
            throw Refused(task, fault);
        }
    }

    private static RpcException Unwanted() =>
        RpcFault.Of(StatusCode.FailedPrecondition, "task.unwanted", "Nobody waits for this task: its round has ended, or it was never the site's. Drop the update.", "head.task_id");

    private static RpcException HeldUp() => RpcFault.HeldUp("Send the update again later.");

    private static bool IsAsAnnounced(ReadOnlySequence<byte> data, UploadHead head)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (ReadOnlyMemory<byte> piece in data) hash.AppendData(piece.Span);
        return hash.GetHashAndReset().AsSpan().SequenceEqual(head.Digest.Span);
    }

    private UploadState Accept(RemoteTask task, UploadHead head, SpooledUpdate update)
    {
        bool showsTiming = task.Fleet.Plan.Discloses(Disclosure.Timing);
        if (!task.Fleet.Answer(task, update, showsTiming && head.HasSteps ? head.Steps : null, showsTiming && head.HasPlannedSteps ? head.PlannedSteps : null))
            return Closing(task, head);
        Log.UpdateAccepted(parts.Logger, task.Site.Name, task.Id, task.Fleet.Run, head.Length);
        parts.Metrics.UpdateAccepted(task.Fleet.Run);
        UploadTrace.Accepted();
        return new UploadState { Offset = head.Length, IsAccepted = true };
    }

    // What is wrong with the update itself ends the task; what is wrong with the transfer or the disk does not.
    private RpcException Refused(RemoteTask task, FedCoreException fault)
    {
        Log.UpdateRefused(parts.Logger, task.Site.Name, task.Id, task.Fleet.Run, fault.Code, fault.Message);
        parts.Metrics.UpdateRefused(task.Fleet.Run, fault.Code);
        UploadTrace.Refused(fault.Code);
        if (fault is not UpdateRefusedException) return fault.Code is StagedUpload.Busy or StagedUpload.Superseded ? RpcFault.Of(StatusCode.Aborted, fault.Code, fault.Message) : RpcFault.From(fault);
        if (fault.Code is not (StagedUpload.WrongDigest or StagedUpload.WrongLength)) task.Fleet.Fail(task, ClientOutcome.Refused, fault.Code);
        return RpcFault.Invalid("data", $"is refused: {fault.Message}", fault.Code);
    }
}
