using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using FedCore.Client.Connection;
using FedCore.Client.Models;
using FedCore.Client.Outbox;
using FedCore.Client.Privacy;
using FedCore.Client.SecureSums;
using FedCore.Client.Settings;
using FedCore.Client.State;
using FedCore.Client.Telemetry;
using FedCore.Hosting.Telemetry;
using FedCore.Protocol.Transfers;
using FedCore.Protocol.V1;
using FedCore.Rounds;
using FedCore.SecureAggregation;
using FedCore.Strategies;
using Microsoft.Extensions.Logging;

namespace FedCore.Client.Tasks;

/// <summary>Does a task: from its offer to an update in the outbox, or to a word why not.</summary>
internal sealed class TaskRunner(
    RunRooms rooms, BlobCache cache, BlobDownloads downloads, UpdateOutbox outbox, ExchangeDesk exchanges, SiteLedger ledger, PrivacyDemands privacy, TaskReporter reporter, Declines declines, TimeProvider clock, ILogger log)
{
    /// <summary>Does a task.</summary>
    /// <param name="offer">The task.</param>
    /// <param name="site">The site's name.</param>
    /// <param name="parent">The aggregator's activity that the task is a part of; null where it has none.</param>
    /// <param name="abort">Parks the task: the client stops.</param>
    /// <exception cref="CallFault">The connection was lost when it mattered.</exception>
    public async Task RunAsync(TaskOffer offer, string site, string? parent, CancellationToken abort)
    {
        if (OfferCheck.FaultOf(offer) is { } fault)
        {
            log.OfferRefused(fault);
            await declines.DeclineAsync(offer, "task.invalid", fault, abort).ConfigureAwait(false);
            return;
        }

        string kind = offer.WorkCase.ToString().ToLowerInvariant();
        long start = clock.GetTimestamp();
        using Activity? activity = ClientActivities.StartTask(kind, offer.RunId, offer.Round, site, parent);
        string outcome = await TryAsync(offer, site, start, abort).ConfigureAwait(false);
        activity?.SetTag(FedCoreTelemetry.Outcome, outcome);
        ClientMeter.TaskDuration.Record(
            clock.GetElapsedTime(start).TotalSeconds, new KeyValuePair<string, object?>(FedCoreTelemetry.TaskKind, kind), new KeyValuePair<string, object?>(FedCoreTelemetry.Outcome, outcome));
    }

    [SuppressMessage("Design", "CA1031", Justification = "Whatever a trainer or a source of data throws, the client goes on without the task.")]
    private async Task<string> TryAsync(TaskOffer offer, string site, long start, CancellationToken abort)
    {
        using var late = new CancellationTokenSource(offer.DeadlineMilliseconds > 0 ? TimeSpan.FromMilliseconds(Math.Min(offer.DeadlineMilliseconds, int.MaxValue)) : Timeout.InfiniteTimeSpan, clock);
        using var unwanted = new CancellationTokenSource();
        using var work = CancellationTokenSource.CreateLinkedTokenSource(abort, late.Token, unwanted.Token);
        using IDisposable watch = reporter.Watch(offer.TaskId, unwanted.Cancel);
        string code, reason;
        try
        {
            UpdateRecord record = await WorkAsync(offer, site, start, work.Token).ConfigureAwait(false);
            if (record.IsExchange) log.ExchangeAnswered(offer.RunId, offer.Round, offer.Exchange.Stage, clock.GetElapsedTime(start).TotalSeconds, record.Length);
            else log.TaskFinished(offer.RunId, offer.Round, clock.GetElapsedTime(start).TotalSeconds, record.Length);
            return "finished";
        }
        catch (OperationCanceledException) when (work.IsCancellationRequested)
        {
            if (unwanted.IsCancellationRequested) log.TaskUnwanted(offer.RunId, offer.Round);
            else if (abort.IsCancellationRequested) log.TaskParked(offer.RunId, offer.Round);
            else log.TaskLate(offer.RunId, offer.Round);
            return unwanted.IsCancellationRequested ? "unwanted" : abort.IsCancellationRequested ? "parked" : "late";
        }
        catch (CallFault fault) when (fault.Status is not (Grpc.Core.StatusCode.NotFound or Grpc.Core.StatusCode.InvalidArgument))
        {
            throw;
        }
        catch (CallFault fault)
        {
            (code, reason) = ("blob.missing", $"What the task needs is not to be had: {fault.Message}.");
        }
        catch (SecureAggregationException fault) when (fault.Accused is { } member)
        {
            (code, reason) = (FormattableString.Invariant($"{fault.Code}.{member}"), fault.Message);
        }
        catch (FedCoreException fault)
        {
            (code, reason) = (fault.Code, fault.Message);
        }
        catch (OutOfMemoryException)
        {
            (code, reason) = ("client.memory", "There is not enough memory. Raise limits.memoryMb or give the machine more, or leave this run to larger ones.");
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            (code, reason) = ("client.disk", $"The data folder, or the data, cannot be read or written: {Shown.Of(fault.Message.TrimEnd('.'), 400)}. Look at its rights, and at the space that is left.");
        }
        catch (Exception fault)
        {
            log.TaskFailed(offer.RunId, offer.Round, fault);
            (code, reason) = ("client.failed", $"The trainer failed: {fault.GetType().Name}: {Shown.Of(fault.Message, 400)}");
        }

        await declines.DeclineAsync(offer, code, reason, abort).ConfigureAwait(false);
        return "declined";
    }

    private async Task<UpdateRecord> WorkAsync(TaskOffer offer, string site, long start, CancellationToken ct)
    {
        bool isExchange = offer.WorkCase == TaskOffer.WorkOneofCase.Exchange;
        if (!isExchange) cache.Trim([offer.Definition, offer.Model, .. offer.Broadcasts.Select(broadcast => broadcast.Values)]);
        if (!offer.ModelContent.IsEmpty) cache.Put(offer.Model, offer.ModelContent.Span);
        RunRoom room = await rooms.EnterAsync(offer, site, ct).ConfigureAwait(false);
        bool withholds = !isExchange && room.Plan.Definition.SecureAggregation is not null;
        using UpdateDraft draft = outbox.Begin(offer.TaskId, withholds);
        UpdateRecord record = RecordOf(offer, room.Plan) with { Assignment = withholds ? Convert.ToHexStringLower(Assignment.DigestOf(offer)) : null };
        SiteState? learned = null;
        if (isExchange) await ExchangeAsync(offer, room, draft, ct).ConfigureAwait(false);
        else (record, learned) = await ComputeAsync(offer, room, record, start, draft, ct).ConfigureAwait(false);
        ct.ThrowIfCancellationRequested();
        record = draft.Complete(record with { Finished = clock.GetUtcNow() }, learned);
        outbox.Add(record);
        return record;
    }

    private async Task ExchangeAsync(TaskOffer offer, RunRoom room, UpdateDraft draft, CancellationToken ct)
    {
        using Activity? activity = ClientActivities.StartWork("exchange", offer.RunId, offer.Round);
        await Task.Run(() => exchanges.AnswerAsync(offer, room, draft.Bytes, ct), ct).ConfigureAwait(false);
        draft.Seal().Dispose();
    }

    private async Task<(UpdateRecord Record, SiteState? Learned)> ComputeAsync(TaskOffer offer, RunRoom room, UpdateRecord record, long start, UpdateDraft draft, CancellationToken ct)
    {
        OfferCheck.RequireFit(offer, room.Plan);
        ClientTask? task = record.IsTraining ? TaskBuilder.WorkOf(offer) : null;
        int planned = task?.StepsFor(room.Data.Train.Count) ?? 0;
        if (task is not null) await ledger.ReserveAsync(offer.RunId, room.Plan, offer.Round, Convert.ToHexStringLower(Assignment.DigestOf(offer)), planned, ct).ConfigureAwait(false);
        else if (room.Plan.Privacy is not null && privacy is { HasDemands: true, PublicEvaluation: false })
            throw FedCoreException.Configuration("privacy.evaluation", "The run takes the site's examples for evaluations for public, but client.privacy.publicEvaluation is false.");
        await room.LoadAsync(offer, downloads, ct).ConfigureAwait(false);
        if (task is null)
        {
            log.EvaluationBegun(offer.RunId, offer.Round, room.Data.Test.Count, room.Data.Train.Count);
            using (ClientActivities.StartWork("evaluate", offer.RunId, offer.Round))
                await room.EvaluateAsync(offer, draft, ct).ConfigureAwait(false);
            return (record, null);
        }

        BeginAnew(record);
        TimeSpan? left = offer.DeadlineMilliseconds > 0 ? TimeSpan.FromMilliseconds(offer.DeadlineMilliseconds) - clock.GetElapsedTime(start) : null;
        int steps = task.AcceptPartialWork ? room.Pace.StepsWithin(planned, left) : planned;
        log.TrainingBegun(offer.RunId, offer.Round, room.Data.Train.Count, steps);
        long begun = clock.GetTimestamp();
        SiteState? learned;
        using (ClientActivities.StartWork("train", offer.RunId, offer.Round))
            learned = await room.TrainAsync(offer, steps, left is { } time ? clock.GetUtcNow() + time : null, draft, ct).ConfigureAwait(false);
        if (room.CountsAsNothing) log.CountsAsNothing(offer.RunId, offer.Round);
        room.Pace.Learn(steps, clock.GetElapsedTime(begun));
        return (room.Plan.Discloses(Disclosure.Timing) ? record with { Steps = steps, PlannedSteps = planned } : record, learned);
    }

    // A run whose aggregator was set up anew may have the name and the definition of one that was there before. What was kept of that one is not its own.
    private void BeginAnew(UpdateRecord record)
    {
        if (record.Round > 1 || outbox.LastThatCounts(record.StateFolder) is not { } last || (last.Round == 1 && last.Position < record.Position)) return;
        outbox.ForgetState(record.StateFolder);
        log.StateDropped(record.Run, last.Round);
    }

    private static UpdateRecord RecordOf(TaskOffer offer, RunPlan plan) => new()
    {
        Task = offer.TaskId,
        Run = offer.RunId,
        Hash = plan.Hash["sha256:".Length..],
        IsTraining = offer.WorkCase == TaskOffer.WorkOneofCase.Train,
        IsExchange = offer.WorkCase == TaskOffer.WorkOneofCase.Exchange,
        Round = offer.Round,
        Position = offer.Position,
        UpdateClip = offer.WorkCase == TaskOffer.WorkOneofCase.Train && offer.Train.HasUpdateClip ? offer.Train.UpdateClip : null,
        Digest = "",
        Length = 0,
        Finished = default,
        Activity = FedCoreTelemetry.Current?.Id,
    };
}
