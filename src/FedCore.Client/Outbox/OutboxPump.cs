using FedCore.Client.Connection;
using FedCore.Client.Telemetry;
using Grpc.Core;
using Microsoft.Extensions.Logging;

namespace FedCore.Client.Outbox;

/// <summary>Sends what is in the outbox, the oldest first, as long as it takes.</summary>
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
            if (outbox.Oldest is not { } entry) await changed.WaitAsync(ct).ConfigureAwait(false);
            else if (await TrySendAsync(entry, ct).ConfigureAwait(false) is not { } why) backoff.Reset();
            else
            {
                TimeSpan delay = backoff.Next();
                log.Retrying($"Sending the answer to round {entry.Record.Round} of {entry.Record.Run}", why, delay.TotalSeconds);
                await backoff.WaitAsync(delay, ct, changed).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Sends what there is, as long as that succeeds.</summary>
    public async Task FlushAsync(CancellationToken ct)
    {
        while (outbox.Oldest is { } entry)
            if (await TrySendAsync(entry, ct).ConfigureAwait(false) is not null) return;
    }

    // Answers why the update is still there, or null where it is not.
    private async Task<string?> TrySendAsync(OutboxEntry entry, CancellationToken ct)
    {
        UpdateRecord record = entry.Record;
        try
        {
            if (entry.Unwanted.IsCancellationRequested) return Forsake(entry);
            await sender.SendAsync(entry, ct).ConfigureAwait(false);
            outbox.Remove(entry);
            log.UpdateSent(record.Run, record.Round, record.Length);
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

            return fault.Message;
        }
        catch (Exception fault) when (fault is FileNotFoundException or DirectoryNotFoundException or EndOfStreamException)
        {
            log.UpdateLost(record.Run, record.Round, fault.Message);
            outbox.Drop(entry);
            return null;
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            return fault.Message;
        }
    }

    private string? Forsake(OutboxEntry entry)
    {
        log.UpdateUnwanted(entry.Record.Run, entry.Record.Round);
        outbox.Remove(entry);
        return null;
    }
}
