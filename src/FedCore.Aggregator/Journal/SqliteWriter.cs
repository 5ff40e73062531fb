using FedCore.Aggregator.Storage;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace FedCore.Aggregator.Journal;

/// <summary>The connection that writes: it commits batches and sees to the write-ahead log.</summary>
internal sealed class SqliteWriter : IDisposable
{
    private const int Version = 1;

    // A stream's number is shorter than its name in each event, and rows lie in the order in which they are written: a commit writes half the bytes that it would
    // write to a table ordered by the streams' names.
    private const string Schema = """
        CREATE TABLE streams(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
        CREATE TABLE events(
            stream INTEGER NOT NULL, sequence INTEGER NOT NULL, at INTEGER NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY(stream, sequence));
        """;

    // 16 MB. A checkpoint writes each page once, however often it was changed meanwhile.
    private const int PagesPerCheckpoint = 4000;

    // The write-ahead log, the file, and the header of the log that is begun anew.
    private const int SyncsPerCheckpoint = 3;

    private readonly Disk _disk;
    private readonly SqliteConnection _connection;
    private readonly SqliteCommand _event, _stream, _last;

    /// <summary>Connects to a file that exists, and gives it its tables where it has none.</summary>
    /// <exception cref="FedCoreException">A newer FedCore wrote it (<c>journal.version</c>).</exception>
    public SqliteWriter(string path, Disk disk)
    {
        _disk = disk;
        _connection = Connect(path);
        try
        {
            long version = (long)Setting("user_version");
            if (version > Version)
            {
                throw FedCoreException.Configuration(
                    "journal.version", $"{path}: a newer FedCore wrote this journal (its schema is {version}; this one knows {Version}). Update FedCore, or choose another file.");
            }

            // FULL: a commit returns when the write-ahead log is on the disk. Checkpoints are counted here, so SQLite makes none of its own.
            Execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0");
            if (version == 0) Execute($"BEGIN IMMEDIATE; {Schema} PRAGMA user_version = {Version}; COMMIT");
            _event = Command("INSERT INTO events VALUES($stream, $sequence, $at, $kind, $body)", "$stream", "$sequence", "$at", "$kind", "$body");
            _stream = Command("INSERT INTO streams(name) VALUES($name) ON CONFLICT DO UPDATE SET name = name RETURNING id", "$name");
            _last = Command("SELECT coalesce(max(sequence), 0) FROM events WHERE stream = (SELECT id FROM streams WHERE name = $name)", "$name");
        }
        catch
        {
            _connection.Dispose();
            throw;
        }
    }

    /// <summary>A connection of one's own.</summary>
    public static SqliteConnection Connect(string path)
    {
        var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = path, Mode = SqliteOpenMode.ReadWrite, Pooling = false }.ConnectionString);
        try
        {
            connection.Open();
            return connection;
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    /// <summary>What a setting of the connection or of the file is now.</summary>
    public object Setting(string pragma)
    {
        using SqliteCommand command = _connection.CreateCommand();
        command.CommandText = $"PRAGMA {pragma}";
        return command.ExecuteScalar()!;
    }

    /// <summary>The sequence of a stream's last event, 0 where it has none.</summary>
    public long Last(string stream)
    {
        _last.Parameters[0].Value = stream;
        return (long)_last.ExecuteScalar()!;
    }

    /// <summary>Commits events in one transaction.</summary>
    /// <param name="events">The events.</param>
    /// <param name="ids">The numbers of streams, as far as they are known; those of other streams are added.</param>
    public void Commit(IReadOnlyList<NewEvent> events, Dictionary<string, long> ids)
    {
        using (SqliteTransaction transaction = _connection.BeginTransaction())
        {
            _event.Transaction = _stream.Transaction = transaction;
            foreach ((string stream, LoggedEvent next) in events)
            {
                if (!ids.TryGetValue(stream, out long id))
                {
                    _stream.Parameters[0].Value = stream;
                    ids[stream] = id = (long)_stream.ExecuteScalar()!;
                }

                SqliteParameterCollection values = _event.Parameters;
                values[0].Value = id;
                values[1].Value = next.Sequence;
                values[2].Value = (next.At - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond;
                values[3].Value = next.Kind;
                values[4].Value = next.Json;
                _event.ExecuteNonQuery();
            }

            _disk.Count(1);
            transaction.Commit();
            _event.Transaction = _stream.Transaction = null;
        }

        if (PagesWritten(reset: false) >= PagesPerCheckpoint) Checkpoint();
    }

    public void Dispose()
    {
        _event.Dispose();
        _stream.Dispose();
        _last.Dispose();
        _connection.Dispose();
    }

    private void Execute(string sql)
    {
        using SqliteCommand command = _connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }

    // One that fails, for want of room or beside a long read, loses nothing: the write-ahead log goes on, and the next one takes it all.
    private void Checkpoint()
    {
        _disk.Count(SyncsPerCheckpoint);
        _ = raw.sqlite3_wal_checkpoint_v2(_connection.Handle, "main", raw.SQLITE_CHECKPOINT_PASSIVE, out _, out _);
        PagesWritten(reset: true);
    }

    private int PagesWritten(bool reset)
    {
        const int cacheWrite = 9; // SQLITE_DBSTATUS_CACHE_WRITE
        _ = raw.sqlite3_db_status(_connection.Handle, cacheWrite, out int pages, out _, reset ? 1 : 0);
        return pages;
    }

    private SqliteCommand Command(string sql, params string[] parameters)
    {
        SqliteCommand command = _connection.CreateCommand();
        command.CommandText = sql;
        foreach (string name in parameters) command.Parameters.AddWithValue(name, DBNull.Value);
        command.Prepare();
        return command;
    }
}
