using FedCore.Client.Connection;
using FedCore.Client.Telemetry;
using Grpc.Core;
using Microsoft.Extensions.Logging;

namespace FedCore.Client.Outbox;

/// <summary>
/// Sends what is in the outbox, the oldest first, as long as it takes. An update that does not get through for a reason of its own, as where the aggregator holds
/// its run up, waits by itself; where the connection is at fault all wait.
/// </summary>
internal sealed class OutboxPump(UpdateOutbox outbox, UpdateSender sender, Func<Backoff> newBackoff, ILogger log)
{
    private const int MaxRefusals = 3;

    /// <summary>Sends until it is cancelled.</summary>
    public async Task RunAsync(CancellationToken ct)
    {
        Backoff backoff = newBackoff();
        while (true)
        {
            ct.ThrowIfCancellationRequested();
            Task changed = outbox.Changed;
            IReadOnlyList<OutboxEntry> waiting = outbox.Waiting;
            if (waiting.FirstOrDefault(entry => entry.Unwanted.IsCancellationRequested || entry.Delay <= TimeSpan.Zero) is not { } entry)
            {
                TimeSpan next = waiting.Count == 0 ? Timeout.InfiniteTimeSpan : TimeSpan.FromTicks(Math.Max(0, waiting.Min(entry => entry.Delay).Ticks));
                await backoff.WaitAsync(next, ct, changed).ConfigureAwait(false);
                continue;
            }

            if (await TrySendAsync(entry, ct).ConfigureAwait(false) is not { } fault)
            {
                backoff.Reset();
                continue;
            }

            if (entry.HasMoved)
            {
                entry.HasMoved = false;
                backoff.Reset();
                entry.Backoff.Reset();
            }

            TimeSpan delay = (fault.IsOfConnection ? backoff : entry.Backoff).Next();
            log.Retrying($"Sending the answer to round {entry.Record.Round} of {entry.Record.Run}", fault.Why, delay.TotalSeconds);
            if (fault.IsOfConnection) await backoff.WaitAsync(delay, ct, changed).ConfigureAwait(false);
            else entry.Delay = delay;
        }
    }

    /// <summary>Sends what there is, as long as the connection lasts.</summary>
    public async Task FlushAsync(CancellationToken ct)
    {
        foreach (OutboxEntry entry in outbox.Waiting)
            if (await TrySendAsync(entry, ct).ConfigureAwait(false) is { IsOfConnection: true }) return;
    }

    // Answers why the update is still there, or null where it is not.
    private async Task<(string Why, bool IsOfConnection)?> TrySendAsync(OutboxEntry entry, CancellationToken ct)
    {
        UpdateRecord record = entry.Record;
        try
        {
            if (entry.Unwanted.IsCancellationRequested) return Forsake(entry);
            await sender.SendAsync(entry, ct).ConfigureAwait(false);
            outbox.Remove(entry);
            if (!record.IsExchange) log.UpdateSent(record.Run, record.Round, record.Length);
            return null;
        }
        catch (OperationCanceledException) when (entry.Unwanted.IsCancellationRequested && !ct.IsCancellationRequested)
        {
            return Forsake(entry);
        }
        catch (CallFault fault)
        {
            if (fault.IsUnwanted || fault.Status == StatusCode.NotFound) return Forsake(entry);
            if (fault is { Status: StatusCode.AlreadyExists, Code: "update.other" } || (fault.Status == StatusCode.InvalidArgument && ++entry.Refusals >= MaxRefusals))
            {
                log.UpdateRefused(record.Run, record.Round, fault.Message);
                outbox.Drop(entry);
                return null;
            }

            return (fault.Message, fault.IsOfConnection);
        }
        catch (Exception fault) when (fault is FileNotFoundException or DirectoryNotFoundException or EndOfStreamException)
        {
            log.UpdateLost(record.Run, record.Round, fault.Message);
            outbox.Drop(entry);
            return null;
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            return (fault.Message, false);
        }
    }

    private (string Why, bool IsOfConnection)? Forsake(OutboxEntry entry)
    {
        if (!entry.Record.IsExchange) log.UpdateUnwanted(entry.Record.Run, entry.Record.Round);
        outbox.Remove(entry);
        return null;
    }
}
