using FedCore.Client.Connection;
using FedCore.Client.Outbox;
using FedCore.Client.Telemetry;
using FedCore.Protocol.V1;
using Microsoft.Extensions.Logging;

namespace FedCore.Client.Tasks;

/// <summary>
/// Says every few seconds that the tasks at hand are being worked on, and hears whether anybody still waits for them. What cannot be said now is said the next
/// time: the work goes on meanwhile.
/// </summary>
internal sealed class TaskReporter(EdgeConnection connection, Session session, UpdateOutbox outbox, ILogger log)
{
    private readonly Lock _lock = new();
    private (string Task, Action GiveUp)? _current;

    /// <summary>Begins to report a task that is being worked on.</summary>
    /// <param name="task">The task.</param>
    /// <param name="giveUp">Called when nobody waits for it any more.</param>
    /// <returns>Ends the reporting; afterwards nothing is called.</returns>
    public IDisposable Watch(string task, Action giveUp)
    {
        lock (_lock) _current = (task, giveUp);
        return new Ending(this);
    }

    /// <summary>Reports until it is cancelled.</summary>
    public async Task RunAsync(CancellationToken ct)
    {
        while (true)
        {
            await Task.Delay(session.ReportInterval, connection.Clock, ct).ConfigureAwait(false);
            string? current;
            lock (_lock) current = _current?.Task;
            foreach (string task in (IEnumerable<string>)[.. current is null ? Array.Empty<string>() : [current], .. outbox.AtHand])
                if (!await ReportAsync(task, ct).ConfigureAwait(false)) break;
        }
    }

    private async Task<bool> ReportAsync(string task, CancellationToken ct)
    {
        try
        {
            // How many steps were taken a trainer says when it is done.
            ProgressReply reply = await connection.ReportProgressAsync(new ProgressRequest { TaskId = task, Steps = -1 }, ct).ConfigureAwait(false);
            if (!reply.IsUnwanted) return true;
            lock (_lock)
                if (_current is { } current && current.Task == task) current.GiveUp();
            outbox.MarkUnwanted(task);
            return true;
        }
        catch (CallFault fault)
        {
            log.NotReported(task, fault.Message);
            return false;
        }
    }

    private sealed class Ending(TaskReporter owner) : IDisposable
    {
        public void Dispose()
        {
            lock (owner._lock) owner._current = null;
        }
    }
}
