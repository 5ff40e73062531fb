using System.Collections.Concurrent;

namespace FedCore.Aggregator.Fleet;

/// <summary>The tasks of all runs by their names on the wire. Safe for many threads.</summary>
internal sealed class TaskBoard
{
    private readonly ConcurrentDictionary<string, RemoteTask> _tasks = new(StringComparer.Ordinal);

    /// <summary>How many tasks there are.</summary>
    public int Count => _tasks.Count;

    /// <summary>All tasks; without a copy, so that whoever asks often costs little.</summary>
    public IEnumerable<RemoteTask> All => _tasks.Select(task => task.Value);

    /// <summary>Finds the task of a site.</summary>
    /// <param name="id">The task's name.</param>
    /// <param name="site">The site, which sees no tasks but its own.</param>
    /// <returns>The task; null where the site has none of this name, or nobody waits for it any more.</returns>
    public RemoteTask? Find(string id, Sites.Site site) => _tasks.TryGetValue(id, out RemoteTask? task) && ReferenceEquals(task.Site, site) ? task : null;

    /// <summary>Puts a task up.</summary>
    public void Add(RemoteTask task) => _tasks[task.Id] = task;

    /// <summary>Takes a task down.</summary>
    /// <returns>Whether it was there, and not another one of its name.</returns>
    public bool Remove(RemoteTask task) => _tasks.TryRemove(new KeyValuePair<string, RemoteTask>(task.Id, task));
}
