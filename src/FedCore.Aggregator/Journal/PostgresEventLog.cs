using System.Net.Sockets;
using System.Runtime.CompilerServices;
using Npgsql;

namespace FedCore.Aggregator.Journal;

/// <summary>
/// A log in a schema of a PostgreSQL database. A lost connection is made anew for a while, and a batch whose fate is not known is looked for before it is
/// written again. A session's lock keeps other aggregators out; a connection that is lost loses it, so nothing is written before it is held again.
/// </summary>
internal sealed class PostgresEventLog : EventLog
{
    private const int PageSize = 512;

    private readonly PostgresPlace _place;
    private readonly TimeProvider _clock;
    private PostgresWriter? _writer;

    private PostgresEventLog(PostgresPlace place, TimeProvider clock)
        : base(clock) => (_place, _clock) = (place, clock);

    /// <inheritdoc/>
    protected override string Place => _place.ToString();

    /// <summary>Opens a log, or begins one.</summary>
    /// <param name="place">Where it lies.</param>
    /// <param name="clock">Stamps the events and times the attempts.</param>
    /// <param name="ct">Cancels the opening.</param>
    /// <exception cref="FedCoreException">
    /// Another aggregator has it (<c>journal.in-use</c>), a newer FedCore wrote it (<c>journal.version</c>), the server keeps nothing over a loss of power
    /// (<c>journal.not-durable</c>), it cannot be reached (<c>journal.unreachable</c>), or it cannot be opened (<c>journal.open</c>).
    /// </exception>
    public static async Task<PostgresEventLog> OpenAsync(PostgresPlace place, TimeProvider clock, CancellationToken ct)
    {
        var log = new PostgresEventLog(place, clock);
        try
        {
            // The session of an aggregator that was just killed may take a moment to notice it.
            await log.KeepTryingAsync(TimeSpan.FromSeconds(1), async () => log._writer = await PostgresWriter.ConnectAsync(place, ct).ConfigureAwait(false)).ConfigureAwait(false);
        }
        catch (Exception fault) when (fault is NpgsqlException { IsTransient: true } or SocketException or TimeoutException)
        {
            throw FedCoreException.Unreachable("journal.unreachable", $"{place}: the journal's server cannot be reached ({fault.Message}). Check that it runs, and host and port in aggregator.postgres.", fault);
        }
        catch (Exception fault) when (fault is NpgsqlException or ArgumentException)
        {
            throw FedCoreException.Configuration("journal.open", $"{place}: the journal cannot be opened ({fault.Message}). Correct aggregator.postgres, or what the server grants its user.", fault);
        }

        log.Start();
        return log;
    }

    /// <inheritdoc/>
    protected override async ValueTask PrepareAsync() => await KeepTryingAsync(_place.GiveUpAfter, EnsureOpenAsync).ConfigureAwait(false);

    /// <inheritdoc/>
    protected override async ValueTask<long> LastAsync(string stream)
    {
        long last = 0;
        await KeepTryingAsync(_place.GiveUpAfter, async () =>
        {
            await EnsureOpenAsync().ConfigureAwait(false);
            last = await _writer!.LastAsync(stream).ConfigureAwait(false);
        }).ConfigureAwait(false);
        return last;
    }

    /// <inheritdoc/>
    protected override async ValueTask CommitAsync(IReadOnlyList<NewEvent> events)
    {
        var batch = new PostgresBatch(events);
        bool isInDoubt = false;
        await KeepTryingAsync(_place.GiveUpAfter, async () =>
        {
            await EnsureOpenAsync().ConfigureAwait(false);
            if (isInDoubt && await _writer!.HoldsAsync(batch).ConfigureAwait(false)) return;
            isInDoubt = true;
            await _writer!.InsertAsync(batch).ConfigureAwait(false);
        }).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    protected override async IAsyncEnumerable<LoggedEvent> ReadKeptAsync(string stream, long after, [EnumeratorCancellation] CancellationToken ct)
    {
        await using NpgsqlConnection connection = await _place.ConnectAsync(ct).ConfigureAwait(false);
        await using var select = new NpgsqlCommand($"SELECT sequence, at, kind, body FROM {_place.Events} WHERE stream = $1 AND sequence > $2 ORDER BY sequence LIMIT {PageSize}", connection);
        select.Parameters.Add(new NpgsqlParameter<string> { TypedValue = stream });
        var last = new NpgsqlParameter<long> { TypedValue = after };
        select.Parameters.Add(last);
        var page = new List<LoggedEvent>(PageSize);
        do
        {
            page.Clear();
            await using (NpgsqlDataReader reader = await select.ExecuteReaderAsync(ct).ConfigureAwait(false))
            {
                while (await reader.ReadAsync(ct).ConfigureAwait(false))
                    page.Add(new LoggedEvent(reader.GetInt64(0), reader.GetFieldValue<DateTimeOffset>(1), reader.GetString(2), reader.GetString(3)));
            }

            foreach (LoggedEvent next in page)
            {
                yield return next;
                last.TypedValue = next.Sequence;
            }
        }
        while (page.Count == PageSize);
    }

    /// <inheritdoc/>
    protected override async ValueTask<IReadOnlyList<string>> ListKeptAsync(string prefix, CancellationToken ct)
    {
        // From name to name along the index; DISTINCT would read every event.
        await using NpgsqlConnection connection = await _place.ConnectAsync(ct).ConfigureAwait(false);
        await using var select = new NpgsqlCommand(
            $"""
            WITH RECURSIVE names AS (
                (SELECT stream FROM {_place.Events} WHERE stream >= $1 ORDER BY stream LIMIT 1)
                UNION ALL
                SELECT (SELECT stream FROM {_place.Events} WHERE stream > names.stream ORDER BY stream LIMIT 1) FROM names WHERE starts_with(names.stream, $1))
            SELECT stream FROM names WHERE starts_with(stream, $1)
            """,
            connection);
        select.Parameters.Add(new NpgsqlParameter<string> { TypedValue = prefix });
        await using NpgsqlDataReader reader = await select.ExecuteReaderAsync(ct).ConfigureAwait(false);
        var names = new List<string>();
        while (await reader.ReadAsync(ct).ConfigureAwait(false)) names.Add(reader.GetString(0));
        return names;
    }

    /// <inheritdoc/>
    protected override async ValueTask CloseAsync()
    {
        if (_writer is not null) await _writer.DisposeAsync().ConfigureAwait(false);
        _writer = null;
    }

    private async Task EnsureOpenAsync()
    {
        if (_writer is { IsOpen: true }) return;
        if (_writer is not null) await _writer.DisposeAsync().ConfigureAwait(false);
        _writer = null;
        _writer = await PostgresWriter.ConnectAsync(_place, CancellationToken.None).ConfigureAwait(false);
    }

    /// <summary>Tries something as long as it is the connection that fails, and time is left.</summary>
    private async Task KeepTryingAsync(TimeSpan limit, Func<Task> attempt)
    {
        long start = _clock.GetTimestamp();
        for (var pause = TimeSpan.FromMilliseconds(20); ; pause = TimeSpan.FromTicks(Math.Min(2 * pause.Ticks, TimeSpan.TicksPerSecond)))
        {
            try
            {
                await attempt().ConfigureAwait(false);
                return;
            }
            catch (Exception fault) when (IsPassing(fault) && _clock.GetElapsedTime(start) + pause < limit)
            {
                await Task.Delay(pause, _clock).ConfigureAwait(false);
            }
        }
    }

    // What the server answers over a connection that stands is its last word.
    private bool IsPassing(Exception fault) =>
        fault is FedCoreException { Code: PostgresWriter.InUse } || (fault is not (FedCoreException or OperationCanceledException) && _writer is not { IsOpen: true });
}
