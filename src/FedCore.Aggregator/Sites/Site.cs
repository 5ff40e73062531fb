using FedCore.Aggregator.Fleet;

namespace FedCore.Aggregator.Sites;

/// <summary>
/// A site: what it said of itself, when it was last heard of, the tasks that it owes an answer to, and its call that waits for one. Everything but its name,
/// token and identity lives as long as the process. Safe for many threads.
/// </summary>
internal sealed class Site(string name, string? tokenHash, TimeProvider clock, TimeSpan liveness, Action changed)
{
    private readonly Lock _lock = new();
    private readonly List<RemoteTask> _tasks = [];
    private readonly long _known = clock.GetTimestamp();
    private string? _client, _process;
    private long _start;
    private long? _lastHeard;
    private Poll? _poll;

    /// <summary>Its name.</summary>
    public string Name => name;

    /// <summary>The hash of its token; null where it may not join.</summary>
    public string? TokenHash { get; set; } = tokenHash;

    /// <summary>What it runs; empty where it has not joined.</summary>
    public string Software { get; private set; } = "";

    /// <summary>Processor cores that it may use; null for unsaid.</summary>
    public int? Cores { get; private set; }

    /// <summary>Bytes of memory that it may use; null for unsaid.</summary>
    public long? MemoryBytes { get; private set; }

    /// <summary>Its public identity key, as it came with it first or as the roster has it; null for none.</summary>
    public ReadOnlyMemory<byte>? IdentityKey { get; set; }

    /// <summary>The roster by which it knows the others' keys, such as <c>clinics/3</c>; empty for none.</summary>
    public string Roster { get; set; } = "";

    /// <summary>When it was last heard of; null for not since the process started.</summary>
    public DateTimeOffset? LastSeen { get; private set; }

    /// <summary>Whether it is connected: it waits for a task, or was heard of not long ago.</summary>
    public bool IsPresent
    {
        get
        {
            lock (_lock) return IsAlive;
        }
    }

    /// <summary>Whether it may be asked: it is connected, or may yet come back to a process that has just started.</summary>
    public bool MayAnswer
    {
        get
        {
            lock (_lock) return IsAlive || (_lastHeard is null && clock.GetElapsedTime(_known) < liveness);
        }
    }

    /// <summary>The tasks that it owes an answer to.</summary>
    public IReadOnlyList<RemoteTask> Tasks
    {
        get
        {
            lock (_lock) return [.. _tasks];
        }
    }

    private bool IsAlive => _poll is not null || (_lastHeard is { } time && clock.GetElapsedTime(time) < liveness);

    /// <summary>Lets a client speak for the site, unless another one does.</summary>
    /// <param name="client">The client's own number.</param>
    /// <param name="start">How often it was started.</param>
    /// <param name="process">What this start has to itself.</param>
    /// <returns>Why it may not; null where it may.</returns>
    public string? Admit(string client, long start, string process)
    {
        bool came;
        Poll? old = null;
        lock (_lock)
        {
            if (_client is not null && _client != client && IsAlive)
                return $"Another client speaks for the site '{name}'. Stop one of the two, or wait {liveness.TotalSeconds:0} s after the other one has stopped.";
            if (_client == client && start < _start) return $"The client of the site '{name}' was started anew; this is an older one, or a copy of its data folder.";
            if (_client == client && start == _start && _process != process && IsAlive)
                return $"Another client with a copy of the same data folder speaks for the site '{name}'. Stop one of the two, and let it begin with an empty folder.";
            if (_client != client || _process != process) (old, _poll) = (_poll, null);
            came = !IsAlive;
            (_client, _start, _process, _lastHeard, LastSeen) = (client, start, process, clock.GetTimestamp(), clock.GetUtcNow());
        }

        old?.End(null);
        if (came) changed();
        return null;
    }

    /// <summary>Takes note of what the client says of itself.</summary>
    public void Describe(string software, int? cores, long? memoryBytes)
    {
        lock (_lock) (Software, Cores, MemoryBytes) = (software, cores, memoryBytes);
    }

    /// <summary>Forgets the client: its token is not good any more.</summary>
    public void Dismiss()
    {
        Poll? old;
        lock (_lock) (_client, _lastHeard, old, _poll) = (null, null, _poll, null);
        old?.End(null);
        changed();
    }

    /// <summary>Gives the site a task.</summary>
    public void Add(RemoteTask task)
    {
        Poll? poll;
        lock (_lock)
        {
            _tasks.Add(task);
            poll = _poll is { } waiting && !waiting.Has(task.Id) ? waiting : null;
            if (poll is not null) ForgetPoll();
        }

        poll?.End(task);
    }

    /// <summary>Takes a task from the site: it was answered, or nobody waits for it.</summary>
    public void Remove(RemoteTask task)
    {
        lock (_lock) _tasks.Remove(task);
    }

    /// <summary>The task that the site does next: at once where there is one, otherwise when there is, or null when the poll is over.</summary>
    /// <param name="atHand">The tasks that the client has already.</param>
    /// <param name="wait">How long it waits; zero for not at all.</param>
    /// <param name="ct">The call was broken off.</param>
    public async Task<RemoteTask?> NextAsync(IReadOnlyCollection<string> atHand, TimeSpan wait, CancellationToken ct)
    {
        Poll? poll = null, old;
        lock (_lock)
        {
            foreach (RemoteTask task in _tasks)
                if (!atHand.Contains(task.Id)) return task;
            if (wait > TimeSpan.Zero) poll = new Poll(atHand, clock.GetTimestamp() + (long)(wait.TotalSeconds * clock.TimestampFrequency));
            (old, _poll) = (_poll, poll);
        }

        old?.End(null);
        if (poll is null) return null;
        await using CancellationTokenRegistration broken = ct.UnsafeRegister(static state => ((Poll)state!).Break(), poll);
        try
        {
            return await poll.Task.ConfigureAwait(false);
        }
        finally
        {
            if (ct.IsCancellationRequested) Leave(poll);
        }
    }

    /// <summary>Ends a poll that has waited long enough.</summary>
    /// <param name="now">The present, as a time stamp.</param>
    public void EndPoll(long now)
    {
        Poll? due;
        lock (_lock)
        {
            due = _poll is { } poll && poll.Due <= now ? poll : null;
            if (due is not null) ForgetPoll();
        }

        due?.End(null);
    }

    // Under the lock.
    private void ForgetPoll() => (_poll, _lastHeard, LastSeen) = (null, clock.GetTimestamp(), clock.GetUtcNow());

    private void Leave(Poll poll)
    {
        lock (_lock)
        {
            // A call that was ended before it broke says nothing of the client: another may speak for the site already.
            if (!ReferenceEquals(_poll, poll)) return;
            ForgetPoll();

            // Who hangs up while it has nothing to do is gone; that it was there an older copy of it still has to know.
            if (_tasks.Count > 0) return;
            _lastHeard = null;
        }

        changed();
    }

    /// <summary>A call that waits for a task.</summary>
    private sealed class Poll(IReadOnlyCollection<string> atHand, long due)
    {
        private readonly TaskCompletionSource<RemoteTask?> _next = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public long Due => due;

        public Task<RemoteTask?> Task => _next.Task;

        public bool Has(string id) => atHand.Contains(id);

        public void End(RemoteTask? task) => _next.TrySetResult(task);

        public void Break() => _next.TrySetCanceled();
    }
}
