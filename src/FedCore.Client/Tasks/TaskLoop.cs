using FedCore.Client.Connection;
using FedCore.Client.Models;
using FedCore.Client.Outbox;
using FedCore.Client.SecureSums;
using FedCore.Client.Telemetry;
using FedCore.Protocol.V1;
using Microsoft.Extensions.Logging;

namespace FedCore.Client.Tasks;

/// <summary>Asks for work, does it, asks again; and hears on the way what became of what was done.</summary>
internal sealed class TaskLoop(
    EdgeConnection connection, Session session, UpdateOutbox outbox, BlobCache cache, RunRooms rooms, KeptRuns kept, ExchangeDesk exchanges, TaskRunner runner, Func<Backoff> newBackoff, ILogger log)
{
    private const int MaxListed = 1000, MaxCached = 64, MaxDeferrals = 3;

    // So long an answer that was sent a moment ago may still need to be acknowledged.
    private static readonly TimeSpan AcknowledgementLimit = TimeSpan.FromSeconds(5);

    private readonly Backoff _backoff = newBackoff();
    private (string Task, int Times) _deferred;

    /// <summary>Works until it is told to stop.</summary>
    /// <param name="stopping">Ends the asking.</param>
    /// <param name="abort">Parks the running task.</param>
    public async Task RunAsync(CancellationToken stopping, CancellationToken abort)
    {
        while (!stopping.IsCancellationRequested)
        {
            string? why;
            try
            {
                why = await StepAsync(stopping, abort).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (stopping.IsCancellationRequested || abort.IsCancellationRequested)
            {
                return;
            }
            catch (CallFault fault)
            {
                session.Leave();
                why = fault.Message;
            }
            catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or FedCoreException)
            {
                why = fault.Message.TrimEnd('.');
            }

            if (why is null)
            {
                _backoff.Reset();
                continue;
            }

            TimeSpan delay = _backoff.Next();
            log.Retrying("Asking for work", why, delay.TotalSeconds);
            try
            {
                await _backoff.WaitAsync(delay, stopping).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    // Answers why to wait before the next step, or null.
    private async Task<string?> StepAsync(CancellationToken stopping, CancellationToken abort)
    {
        if (!session.IsJoined)
        {
            await session.JoinAsync(stopping).ConfigureAwait(false);
            outbox.Nudge();
            kept.AskAgain();
        }

        NextTaskRequest request = Request();
        long start = connection.Clock.GetTimestamp();
        (NextTaskReply reply, string? activity) = await connection.NextTaskAsync(request, session.PollWait, stopping).ConfigureAwait(false);
        kept.Drop(request.KeptRuns.Intersect(reply.EndedRuns));
        Take(reply);
        rooms.FreeIdle();
        exchanges.Forget();
        if (reply.Task is { } offer)
        {
            if (outbox.Has(offer.TaskId)) return "a task was offered that is done and on its way";
            if (await DeferAsync(offer, request, stopping).ConfigureAwait(false)) return null;
            await runner.RunAsync(offer, session.Site, activity, abort).ConfigureAwait(false);
            kept.AskAgain();
            return null;
        }

        bool isEmpty = reply.Settlements.Count + reply.UnwantedTasks.Count + reply.EndedRuns.Count == 0;
        return isEmpty && connection.Clock.GetElapsedTime(start) < TimeSpan.FromSeconds(1) && session.PollWait > TimeSpan.FromSeconds(1) ? "the aggregator answers at once, and has nothing" : null;
    }

    private NextTaskRequest Request()
    {
        var request = new NextTaskRequest();
        request.TasksAtHand.AddRange(outbox.AtHand.Take(MaxListed));
        request.UnsettledTasks.AddRange(outbox.Unsettled.Take(MaxListed).Select(
            record => new UnsettledTask { TaskId = record.Task, RunId = record.Run, Round = record.Round, Position = record.Position, IsEvaluation = !record.IsTraining }));
        request.CachedDigests.AddRange(cache.Latest(MaxCached));
        request.KeptRuns.AddRange(kept.ToAsk());
        return request;
    }

    // In the order in which things were learned, so that what was learned last stays.
    private void Take(NextTaskReply reply)
    {
        foreach (string task in reply.UnwantedTasks) outbox.MarkUnwanted(task);
        Dictionary<string, bool> settled = [];
        foreach (Settlement settlement in reply.Settlements) settled[settlement.TaskId] = settlement.Counts;
        foreach (UpdateRecord record in outbox.Unsettled)
        {
            if (!settled.TryGetValue(record.Task, out bool counts) || outbox.Settle(record.Task, counts) is null) continue;
            kept.AskAgain();
            if (!record.KeepsState) continue;
            if (counts) log.UpdateCounts(record.Run, record.Round);
            else log.UpdateDoesNotCount(record.Run, record.Round);
        }
    }

    // A task of a run begins from what the client has learned in the rounds before it. Where it is not known yet whether that counts, the task is left with the
    // aggregator, which offers it again and says so; unless it does not know either, as in a run that does not wait for all. And a result is summed once it is known
    // here too that the aggregator knows of it.
    private async Task<bool> DeferAsync(TaskOffer offer, NextTaskRequest request, CancellationToken ct)
    {
        (int waiting, IReadOnlyList<string> unsettled) = OpenFor(offer);
        if (waiting == 0 && unsettled.All(task => request.UnsettledTasks.Any(asked => asked.TaskId == task))) return false;
        _deferred = (offer.TaskId, _deferred.Task == offer.TaskId ? _deferred.Times + 1 : 1);
        if (_deferred.Times > MaxDeferrals) return false;
        if (waiting > 0)
        {
            outbox.Nudge();
            Task changed = outbox.Changed;
            if (OpenFor(offer).Waiting == waiting) await _backoff.WaitAsync(AcknowledgementLimit, ct, changed).ConfigureAwait(false);
        }

        return true;
    }

    private (int Waiting, IReadOnlyList<string> Unsettled) OpenFor(TaskOffer offer) =>
        offer.WorkCase == TaskOffer.WorkOneofCase.Exchange ? (outbox.Has(offer.Exchange.OfTask) ? 1 : 0, []) : outbox.OpenIn(offer.RunId);
}
