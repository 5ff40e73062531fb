using System.Data;
using Npgsql;

namespace FedCore.Aggregator.Journal;

/// <summary>The session that writes, and holds the lock on the log as long as it lasts.</summary>
internal sealed class PostgresWriter : IAsyncDisposable
{
    /// <summary>The code of a log that another aggregator has.</summary>
    public const string InUse = "journal.in-use";

    private const int Version = 1;

    private readonly PostgresPlace _place;
    private readonly NpgsqlConnection _connection;

    private PostgresWriter(PostgresPlace place, NpgsqlConnection connection) => (_place, _connection) = (place, connection);

    /// <summary>Whether the session still is there, as far as is known.</summary>
    public bool IsOpen => _connection.FullState == ConnectionState.Open;

    /// <summary>Opens a session, takes the lock, and creates the tables where there are none.</summary>
    public static async Task<PostgresWriter> ConnectAsync(PostgresPlace place, CancellationToken ct)
    {
        var writer = new PostgresWriter(place, await place.ConnectAsync(ct).ConfigureAwait(false));
        try
        {
            await writer.PrepareAsync(ct).ConfigureAwait(false);
            return writer;
        }
        catch
        {
            await writer.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>The sequence of a stream's last event, 0 where it has none.</summary>
    public async ValueTask<long> LastAsync(string stream)
    {
        await using var command = new NpgsqlCommand($"SELECT coalesce(max(sequence), 0) FROM {_place.Events} WHERE stream = $1", _connection);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = stream });
        return (long)(await command.ExecuteScalarAsync().ConfigureAwait(false))!;
    }

    /// <summary>Commits a batch: one statement, one journey to the server and back.</summary>
    public async Task InsertAsync(PostgresBatch batch)
    {
        await using NpgsqlCommand command = batch.Command($"INSERT INTO {_place.Events} SELECT * FROM {PostgresBatch.Rows}", _connection);
        await command.ExecuteNonQueryAsync().ConfigureAwait(false);
    }

    /// <summary>Whether a batch was committed. Where the lock is held, no other session can still be about to.</summary>
    public async Task<bool> HoldsAsync(PostgresBatch batch)
    {
        await using NpgsqlCommand command = batch.Command(
            $"""
            SELECT count(*) FROM {PostgresBatch.Rows} JOIN {_place.Events} AS e
            ON e.stream = batch.stream AND e.sequence = batch.sequence AND e.at = batch.at AND e.kind = batch.kind AND e.body = batch.body
            """,
            _connection);
        return (long)(await command.ExecuteScalarAsync().ConfigureAwait(false))! == batch.Count;
    }

    public ValueTask DisposeAsync() => _connection.DisposeAsync();

    private async Task PrepareAsync(CancellationToken ct)
    {
        // Where this machine loses its power, the server is to notice within a minute and let go of the lock.
        await ExecuteAsync("SET synchronous_commit = on; SET tcp_keepalives_idle = 20; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3", ct).ConfigureAwait(false);
        if (!(bool)await ReadAsync($"SELECT pg_try_advisory_lock({_place.Lock})", ct).ConfigureAwait(false))
        {
            throw FedCoreException.Unreachable(
                InUse, $"{_place}: another aggregator uses this journal. Stop it, or give this one a schema of its own. The session of one that vanished is let go within a minute.");
        }

        if ((string)await ReadAsync("SHOW fsync", ct).ConfigureAwait(false) == "off")
        {
            throw FedCoreException.Configuration(
                "journal.not-durable", $"{_place}: the server runs with fsync = off and keeps nothing over a loss of power. Set fsync = on.");
        }

        // Who may not create schemas may not ask for one that is there either.
        string name = _place.Schema.Replace("'", "''", StringComparison.Ordinal);
        if (!(bool)await ReadAsync($"SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = '{name}')", ct).ConfigureAwait(false))
            await ExecuteAsync($"CREATE SCHEMA {_place.QuotedSchema}", ct).ConfigureAwait(false);
        await ExecuteAsync(
            $"""
            SET client_min_messages = warning;
            CREATE TABLE IF NOT EXISTS {_place.QuotedSchema}.version(number int NOT NULL);
            INSERT INTO {_place.QuotedSchema}.version SELECT {Version} WHERE NOT EXISTS (SELECT FROM {_place.QuotedSchema}.version);
            """,
            ct).ConfigureAwait(false);
        int version = (int)await ReadAsync($"SELECT max(number) FROM {_place.QuotedSchema}.version", ct).ConfigureAwait(false);
        if (version > Version)
        {
            throw FedCoreException.Configuration(
                "journal.version", $"{_place}: a newer FedCore wrote this journal (its schema is {version}; this one knows {Version}). Update FedCore, or choose another schema.");
        }

        // Names compare byte by byte, whatever language the database speaks.
        await ExecuteAsync(
            $"""
            CREATE TABLE IF NOT EXISTS {_place.Events}(
                stream text COLLATE "C" NOT NULL, sequence bigint NOT NULL, at timestamptz NOT NULL, kind text NOT NULL, body text NOT NULL, PRIMARY KEY (stream, sequence))
            """,
            ct).ConfigureAwait(false);
    }

    private async Task ExecuteAsync(string sql, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(sql, _connection);
        await command.ExecuteNonQueryAsync(ct).ConfigureAwait(false);
    }

    private async Task<object> ReadAsync(string sql, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(sql, _connection);
        return (await command.ExecuteScalarAsync(ct).ConfigureAwait(false))!;
    }
}
