namespace FedCore.Aggregator.Fleet;

/// <summary>Holds a run before its next round while its coordinator has paused it, and knows what the run waits for. Safe for many threads.</summary>
internal sealed class RunGate(bool isPaused)
{
    private readonly Lock _lock = new();
    private TaskCompletionSource? _open = isPaused ? New() : null;
    private volatile bool _isAtGate;

    /// <summary>Whether the run is to be held before its next round.</summary>
    public bool IsPaused
    {
        get
        {
            lock (_lock) return _open is not null;
        }
    }

    /// <summary>Whether it is being held: no round would begin if all sites were there.</summary>
    public bool IsHeld => IsPaused && (_isAtGate || Wait is not null);

    /// <summary>What the next round waits for; null while rounds are held.</summary>
    public string? Wait { get; private set; }

    /// <summary>Holds the run before its next round, or lets it go on.</summary>
    public void Set(bool paused)
    {
        TaskCompletionSource? open;
        lock (_lock)
        {
            open = _open;
            if (paused) _open ??= New();
            else _open = null;
        }

        if (!paused) open?.TrySetResult();
    }

    /// <summary>Waits while the run is paused.</summary>
    public async Task PassAsync(CancellationToken ct)
    {
        while (true)
        {
            Task? open;
            lock (_lock) open = _open?.Task;
            _isAtGate = open is not null;
            if (open is null) return;
            await open.WaitAsync(ct).ConfigureAwait(false);
        }
    }

    /// <summary>Takes note of what the next round waits for; null for nothing.</summary>
    public void WaitFor(string? what) => Wait = what;

    private static TaskCompletionSource New() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
