namespace FedCore.Aggregator.Spooling;

/// <summary>
/// A thread that makes durable, or deletes, what callers bring, all that waits at a time. While it is at work others queue. Where little is to be gained by it nobody is
/// kept waiting; where many come at once, it lets more of them gather until its last work is a while ago.
/// </summary>
/// <typeparam name="T">What callers bring.</typeparam>
internal sealed class GroupCommitter<T> : IDisposable
{
    // More than these are not waited for.
    private const int Plenty = 1024;

    // A wait that brought fewer, and left few together, was not worth it, and the next ones are left out: two, then four, eight, ...
    private const int Worthwhile = 4, MostLeftOut = 256;

    // With many files to sync at a time the spacing grows with their number, but nobody waits longer than this.
    private static readonly TimeSpan LongestWait = TimeSpan.FromMilliseconds(25);

    private readonly Func<List<T>, int> _commit;
    private readonly TimeSpan _spacing;
    private readonly TimeProvider _clock;
    private readonly Thread _thread;

    // Waited on and pulsed, which a Lock cannot be.
    private readonly object _gate = new();
    private List<T> _queue = [], _spare = [];
    private int _wakeAt = 1, _leaveOut, _penalty = 1, _lastSyncs;
    private long _lastStart;
    private bool _isClosed;

    /// <param name="name">The thread's name.</param>
    /// <param name="spacing">The least time between two syncs where many come at once; zero to gather nothing.</param>
    /// <param name="clock">Measures it.</param>
    /// <param name="commit">Does it for all of them, or fails them; it throws nothing. It answers how often it synced.</param>
    public GroupCommitter(string name, TimeSpan spacing, TimeProvider clock, Func<List<T>, int> commit)
    {
        (_commit, _spacing, _clock) = (commit, spacing, clock);
        _thread = new Thread(Run) { IsBackground = true, Name = name };
        _thread.Start();
    }

    /// <summary>Brings something.</summary>
    /// <exception cref="ObjectDisposedException">Nothing is taken any more.</exception>
    public void Enqueue(T item)
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isClosed, this);
            _queue.Add(item);
            if (_queue.Count == _wakeAt) Monitor.Pulse(_gate);
        }
    }

    /// <summary>Commits what was brought, and ends.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _isClosed = true;
            Monitor.Pulse(_gate);
        }

        _thread.Join();
    }

    private void Run()
    {
        while (true)
        {
            List<T> batch;
            lock (_gate)
            {
                _wakeAt = 1;
                while (_queue.Count == 0)
                {
                    if (_isClosed) return;
                    Monitor.Wait(_gate);
                }

                Gather();
                (batch, _queue) = (_queue, _spare);
            }

            _lastStart = _clock.GetTimestamp();
            _lastSyncs = _commit(batch);
            batch.Clear();
            _spare = batch;
        }
    }

    private void Gather()
    {
        if (Remaining() <= TimeSpan.Zero) return;
        if (_leaveOut > 0)
        {
            _leaveOut--;
            return;
        }

        int before = _queue.Count;
        _wakeAt = Plenty;
        for (TimeSpan left = Remaining(); left > TimeSpan.Zero && _queue.Count < Plenty && !_isClosed; left = Remaining())
            Monitor.Wait(_gate, TimeSpan.FromMilliseconds(Math.Ceiling(left.TotalMilliseconds)));
        bool wasWorthwhile = _queue.Count - before >= Worthwhile || _queue.Count >= 2 * Worthwhile;
        _penalty = wasWorthwhile ? 1 : Math.Min(2 * _penalty, MostLeftOut);
        _leaveOut = wasWorthwhile ? 0 : _penalty;
    }

    private TimeSpan Remaining()
    {
        TimeSpan spacing = _spacing * _lastSyncs;
        return (spacing < LongestWait ? spacing : LongestWait) - _clock.GetElapsedTime(_lastStart);
    }
}
