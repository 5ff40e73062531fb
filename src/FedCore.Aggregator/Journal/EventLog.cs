using System.Data.Common;
using System.Runtime.CompilerServices;

namespace FedCore.Aggregator.Journal;

/// <summary>
/// The part of a log that does not depend on where events are kept: a queue, and one writer that takes all that is queued into one transaction. After a
/// commit that failed, whatever was in it or waited behind it is lost, and each stream that lost an event is broken until it has been read again, so that
/// nobody goes on past a fact that was not kept.
/// </summary>
/// <param name="clock">Stamps the events and times the interval.</param>
internal abstract class EventLog(TimeProvider clock) : IEventLog
{
    /// <summary>The code of an append whose event is not kept, or may not be.</summary>
    public const string Lost = "journal.lost";

    /// <summary>The code of an append to a stream that lost an event and was not read since.</summary>
    public const string Broken = "journal.broken";

    /// <summary>How long an <see cref="Durability.Ordered"/> event waits at most before it is written.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(100);

    // Events that wait; whoever brings more waits too. Half of them wake the writer, which otherwise lets ordered ones gather.
    private const int Capacity = 8192;

    // How no stream's name begins.
    private const string NoStream = "~";

    private readonly Lock _gate = new();
    private readonly SemaphoreSlim _room = new(Capacity), _work = new(0);
    private readonly Dictionary<string, long> _broken = [], _last = [];
    private List<Waiting> _queue = [], _spare = [];
    private ITimer? _timer;
    private Task? _writer;
    private long _commits, _appended, _failures;
    private bool _isAwake, _isClosed;

    /// <inheritdoc/>
    public long Commits => Volatile.Read(ref _commits);

    /// <summary>How many events the log has kept.</summary>
    public long Appended => Volatile.Read(ref _appended);

    /// <inheritdoc/>
    public async ValueTask AppendAsync(string stream, string kind, string json, Durability durability, CancellationToken ct)
    {
        ThrowIfUnfit(stream, nameof(stream), mayBeEmpty: false);
        ThrowIfUnfit(kind, nameof(kind), mayBeEmpty: false);
        ThrowIfUnfit(json, nameof(json), mayBeEmpty: true);
        var done = durability == Durability.Now ? NewSignal() : null;
        await EnqueueAsync(stream, kind, json, done, ct).ConfigureAwait(false);
        if (done is not null) await done.Task.ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<LoggedEvent> ReadAsync(string stream, long after, [EnumeratorCancellation] CancellationToken ct)
    {
        ArgumentException.ThrowIfNullOrEmpty(stream);
        ArgumentOutOfRangeException.ThrowIfNegative(after);
        long failures = await SettleAsync(ct).ConfigureAwait(false), last = after;
        await using IAsyncEnumerator<LoggedEvent> kept = ReadKeptAsync(stream, after, ct).GetAsyncEnumerator(ct);
        while (await ReadingAsync(kept.MoveNextAsync()).ConfigureAwait(false))
        {
            LoggedEvent next = kept.Current;
            if (next.Sequence != ++last)
                throw FedCoreException.RunFailed("journal.damaged", $"{Place}: the stream {Shown.Of(stream)} has no event {last}; {next.Sequence} is the next. Restore the journal from a backup.");
            yield return next;
        }

        if (after > 0) yield break;
        lock (_gate)
            if (_broken.TryGetValue(stream, out long failure) && failure <= failures) _broken.Remove(stream);
    }

    /// <inheritdoc/>
    public async ValueTask<IReadOnlyList<string>> ListAsync(string prefix, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(prefix);
        await SettleAsync(ct).ConfigureAwait(false);
        return await ReadingAsync(ListKeptAsync(prefix, ct)).ConfigureAwait(false);
    }

    /// <summary>Asks the place where events are kept for some that it does not have, past the queue: where that succeeds, it is there.</summary>
    /// <exception cref="FedCoreException">It is not (<c>journal.read</c>).</exception>
    public async ValueTask ProbeAsync(CancellationToken ct) => await ReadingAsync(ListKeptAsync(NoStream, ct)).ConfigureAwait(false);

    /// <summary>Keeps what is queued, and closes the log.</summary>
    public async ValueTask DisposeAsync()
    {
        lock (_gate)
        {
            if (!_isClosed) Wake();
            _isClosed = true;
        }

        if (_writer is not null) await _writer.ConfigureAwait(false);
        if (_timer is not null) await _timer.DisposeAsync().ConfigureAwait(false);
        await CloseAsync().ConfigureAwait(false);
        GC.SuppressFinalize(this);
    }

    /// <summary>Where events are kept, as messages name it.</summary>
    protected abstract string Place { get; }

    /// <summary>Begins to write; the place where events are kept is open.</summary>
    protected void Start()
    {
        _timer = clock.CreateTimer(_ => WakeForOrdered(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        _writer = Task.Run(WriteAllAsync);
    }

    /// <summary>Makes sure that events can be written, and that nothing is on its way any more of what failed before. Called by the writer alone.</summary>
    protected abstract ValueTask PrepareAsync();

    /// <summary>The sequence of a stream's last event, 0 where it has none. Called by the writer alone.</summary>
    protected abstract ValueTask<long> LastAsync(string stream);

    /// <summary>Commits events in one transaction, so that they survive a loss of power. Called by the writer alone.</summary>
    protected abstract ValueTask CommitAsync(IReadOnlyList<NewEvent> events);

    /// <summary>Reads what is kept of a stream behind an event, in order.</summary>
    protected abstract IAsyncEnumerable<LoggedEvent> ReadKeptAsync(string stream, long after, CancellationToken ct);

    /// <summary>The names of the kept streams, in the order of their code points.</summary>
    protected abstract ValueTask<IReadOnlyList<string>> ListKeptAsync(string prefix, CancellationToken ct);

    /// <summary>Closes the place where events are kept.</summary>
    protected abstract ValueTask CloseAsync();

    /// <summary>Waits until everything that was appended before is kept or lost for good.</summary>
    /// <returns>How many commits had failed by then.</returns>
    private async Task<long> SettleAsync(CancellationToken ct)
    {
        TaskCompletionSource<long> settled = NewSignal();
        await EnqueueAsync(null, "", "", settled, ct).ConfigureAwait(false);
        return await settled.Task.WaitAsync(ct).ConfigureAwait(false);
    }

    private async ValueTask EnqueueAsync(string? stream, string kind, string json, TaskCompletionSource<long>? done, CancellationToken ct)
    {
        await _room.WaitAsync(ct).ConfigureAwait(false);
        bool isQueued = false;
        try
        {
            lock (_gate)
            {
                ObjectDisposedException.ThrowIf(_isClosed, this);
                if (stream is not null && _broken.ContainsKey(stream))
                {
                    throw FedCoreException.RunFailed(
                        Broken, $"{Place}: an earlier event of the stream {Shown.Of(stream)} was not kept, so nothing is added behind it until the stream has been read again.");
                }

                _queue.Add(new Waiting(stream, Now(), kind, json, done));
                isQueued = true;
                if (done is not null || _queue.Count == Capacity / 2) Wake();
                else if (_queue.Count == 1) _timer!.Change(Interval, Timeout.InfiniteTimeSpan);
            }
        }
        finally
        {
            if (!isQueued) _room.Release();
        }
    }

    private void WakeForOrdered()
    {
        lock (_gate)
            if (_queue.Count > 0) Wake();
    }

    private void Wake()
    {
        if (_isAwake) return;
        _isAwake = true;
        _work.Release();
    }

    private async Task WriteAllAsync()
    {
        while (true)
        {
            await _work.WaitAsync().ConfigureAwait(false);
            List<Waiting> batch;
            lock (_gate)
            {
                _isAwake = false;
                (batch, _queue) = (_queue, _spare);
                if (batch.Count == 0 && _isClosed) return;
                if (_isClosed) Wake();
            }

            if (batch.Count > 0) _room.Release(batch.Count);
            await WriteAsync(batch).ConfigureAwait(false);
            batch.Clear();
            _spare = batch;
        }
    }

    private async Task WriteAsync(List<Waiting> batch)
    {
        try
        {
            await PrepareAsync().ConfigureAwait(false);
            List<NewEvent> events = await NumberAsync(batch).ConfigureAwait(false);
            if (events.Count > 0)
            {
                await CommitAsync(events).ConfigureAwait(false);
                Interlocked.Increment(ref _commits);
                Interlocked.Add(ref _appended, events.Count);
                foreach (NewEvent kept in events) _last[kept.Stream] = kept.Event.Sequence;
            }
        }
        catch (Exception fault)
        {
            await FailAsync(batch, fault).ConfigureAwait(false);
            return;
        }

        foreach (Waiting one in batch) one.Done?.SetResult(_failures);
    }

    private async ValueTask<List<NewEvent>> NumberAsync(List<Waiting> batch)
    {
        var events = new List<NewEvent>(batch.Count);
        var next = new Dictionary<string, long>();
        foreach (Waiting one in batch)
        {
            if (one.Stream is not { } stream) continue;
            if (!next.TryGetValue(stream, out long last) && !_last.TryGetValue(stream, out last)) last = await LastAsync(stream).ConfigureAwait(false);
            next[stream] = ++last;
            events.Add(new NewEvent(stream, new LoggedEvent(last, one.At, one.Kind, one.Json)));
        }

        return events;
    }

    private async Task FailAsync(List<Waiting> batch, Exception fault)
    {
        // What waits behind the batch relied on it to be kept.
        List<Waiting> lost = [.. batch];
        lock (_gate)
        {
            lost.AddRange(_queue);
            if (_queue.Count > 0) _room.Release(_queue.Count);
            _queue.Clear();
            _failures++;
            foreach (Waiting one in lost)
            {
                if (one.Stream is null) continue;
                _broken[one.Stream] = _failures;
                _last.Remove(one.Stream);
            }
        }

        foreach (Waiting one in lost)
            if (one.Stream is not null) one.Done?.SetException(LostBecause(fault));
        if (lost.TrueForAll(one => one.Stream is not null)) return;

        // Who wants to read may do so when nothing can come of the batch any more.
        Exception? unsettled = await TryPrepareAsync().ConfigureAwait(false);
        foreach (Waiting one in lost)
        {
            if (one.Stream is not null) continue;
            if (unsettled is null) one.Done!.SetResult(_failures);
            else one.Done!.SetException(LostBecause(unsettled));
        }
    }

    private async ValueTask<Exception?> TryPrepareAsync()
    {
        try
        {
            await PrepareAsync().ConfigureAwait(false);
            return null;
        }
        catch (Exception fault)
        {
            return fault;
        }
    }

    private FedCoreException LostBecause(Exception fault) =>
        new(fault is FedCoreException known ? known.Kind : FaultKind.RunFailed, Lost, $"{Place}: the journal could not keep an event: {fault.Message}", fault);

    private async ValueTask<T> ReadingAsync<T>(ValueTask<T> reading)
    {
        try
        {
            return await reading.ConfigureAwait(false);
        }
        catch (DbException fault)
        {
            throw FedCoreException.RunFailed("journal.read", $"{Place}: the journal cannot be read: {fault.Message}", fault);
        }
    }

    private DateTimeOffset Now()
    {
        DateTimeOffset now = clock.GetUtcNow().ToUniversalTime();
        return now.AddTicks(-(now.Ticks % TimeSpan.TicksPerMicrosecond));
    }

    private static TaskCompletionSource<long> NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    // Databases end strings at a zero, and half a pair of surrogates has no UTF-8.
    private static void ThrowIfUnfit(string text, string name, bool mayBeEmpty)
    {
        ArgumentNullException.ThrowIfNull(text, name);
        if (!mayBeEmpty) ArgumentException.ThrowIfNullOrEmpty(text, name);
        if (text.Contains('\0', StringComparison.Ordinal)) throw new ArgumentException("The text has a zero character, which no journal keeps.", name);
        if (text.AsSpan().ContainsAnyInRange('\uD800', '\uDFFF') && !IsWellFormed(text))
            throw new ArgumentException("The text has half a surrogate pair, which has no UTF-8.", name);
    }

    private static bool IsWellFormed(string text)
    {
        for (int i = 0; i < text.Length; i++)
        {
            if (!char.IsSurrogate(text[i])) continue;
            if (!char.IsSurrogatePair(text, i)) return false;
            i++;
        }

        return true;
    }

    private sealed record Waiting(string? Stream, DateTimeOffset At, string Kind, string Json, TaskCompletionSource<long>? Done);
}
