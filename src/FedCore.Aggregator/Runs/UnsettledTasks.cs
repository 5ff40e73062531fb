using System.Collections.Concurrent;
using FedCore.Aggregator.Fleet;
using FedCore.Aggregator.Spooling;

namespace FedCore.Aggregator.Runs;

/// <summary>What an earlier process, or an earlier try in this one, left of a run's tasks and updates, until it is known which of them are still wanted.</summary>
internal sealed class UnsettledTasks(string run, TaskBoard board, Spool spool, IEnumerable<(string TaskId, SpooledUpdate Update)> recovered)
{
    private readonly TaskCompletionSource _settled = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ConcurrentDictionary<string, RemoteTask> _held = new(StringComparer.Ordinal);
    private List<(string TaskId, SpooledUpdate Update)> _updates = [.. recovered];

    /// <summary>Ends when it is known which are wanted, or when nobody shall wait for that any longer.</summary>
    public Task Settled => _settled.Task;

    /// <summary>Hands the updates over, to a fleet that gives back the room of those that nobody wants.</summary>
    public IReadOnlyList<(string TaskId, SpooledUpdate Update)> TakeUpdates()
    {
        List<(string TaskId, SpooledUpdate Update)> updates = _updates;
        _updates = [];
        return updates;
    }

    /// <summary>Drops the tasks that are held now as soon as a fleet has put up anew what is wanted.</summary>
    public void SettleWith(RemoteFleet fleet, CancellationToken ct)
    {
        ICollection<RemoteTask> held = _held.Values;
        _ = fleet.Settled.ContinueWith(_ => Drop(held), ct, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
    }

    /// <summary>Holds the tasks of a fleet that stops in the middle of the run. What was acknowledged and not yet taken is found again when the engine goes on in this process.</summary>
    public void TakeFrom(RemoteFleet fleet) => fleet.Leave(_updates, _held);

    /// <summary>Ends the waiting, although nothing is known yet.</summary>
    public void StopWaiting() => _settled.TrySetResult();

    /// <summary>Drops all: the run is over.</summary>
    public void Clear()
    {
        foreach ((_, SpooledUpdate update) in TakeUpdates()) update.Release();
        Drop(_held.Values);
    }

    // It is known again which tasks are wanted: those that were put up anew.
    private void Drop(ICollection<RemoteTask> held)
    {
        foreach (RemoteTask task in held)
        {
            _held.TryRemove(new KeyValuePair<string, RemoteTask>(task.Id, task));
            if (board.Remove(task)) spool.Drop(run, task.Label.Span);
        }

        _settled.TrySetResult();
    }
}
