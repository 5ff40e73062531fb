using System.Runtime.CompilerServices;
using FedCore.Aggregator.Storage;
using FedCore.Hosting.Storage;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace FedCore.Aggregator.Journal;

/// <summary>A log in one file.</summary>
internal sealed class SqliteEventLog : EventLog
{
    private const int PageSize = 512;

    private readonly string _path;
    private readonly Disk _disk;
    private readonly InstanceLock _lock;
    private readonly Dictionary<string, long> _ids = [];
    private SqliteWriter? _writer;

    private SqliteEventLog(string path, TimeProvider clock, Disk disk, InstanceLock taken)
        : base(clock) => (_path, _disk, _lock) = (path, disk, taken);

    /// <inheritdoc/>
    protected override string Place => _path;

    /// <summary>Opens a log, or begins one.</summary>
    /// <param name="path">The file. Others of its name lie beside it: <c>-wal</c>, <c>-shm</c> and <c>.lock</c>.</param>
    /// <param name="clock">Stamps the events.</param>
    /// <param name="disk">Counts what is made durable.</param>
    /// <exception cref="FedCoreException">
    /// Another process has it (<c>journal.in-use</c>), a newer FedCore wrote it (<c>journal.version</c>), or it cannot be opened (<c>journal.open</c>).
    /// </exception>
    public static SqliteEventLog Open(string path, TimeProvider clock, Disk disk)
    {
        path = Path.GetFullPath(path);
        SqliteEventLog? log = null;
        InstanceLock? taken = null;
        try
        {
            disk.CreateFolder(Path.GetDirectoryName(path)!);
            taken = InstanceLock.Take(path + ".lock", "journal.in-use", $"The journal {path}");
            if (!File.Exists(path)) Disk.CreateFile(path).Dispose();
            log = new SqliteEventLog(path, clock, disk, taken) { _writer = new SqliteWriter(path, disk) };
            disk.SyncFolder(Path.GetDirectoryName(path)!);
            log.Start();
            return log;
        }
        catch (Exception fault)
        {
            log?._writer?.Dispose();
            taken?.Dispose();
            if (fault is not (SqliteException or IOException or UnauthorizedAccessException)) throw;
            throw NotOpened(path, fault);
        }
    }

    // What is there is never to be given up for a fault that passes, or that a backup mends.
    private static FedCoreException NotOpened(string path, Exception fault) => fault switch
    {
        _ when IsFull(fault) => FedCoreException.Unreachable("journal.full", $"{path}: there is no room for the journal on the disk, or in its quota. Make room; leave the journal and the files beside it as they are.", fault),
        SqliteException { SqliteErrorCode: raw.SQLITE_NOTADB or raw.SQLITE_CORRUPT } => FedCoreException.Configuration(
            "journal.open", $"{path}: this is no journal, or one that was damaged ({fault.Message}). Put it back from a backup, or choose another folder.", fault),
        _ => FedCoreException.Configuration(
            "journal.open", $"{path}: the journal cannot be opened ({fault.Message}). Look at the disk, and let this user read and write the file, those beside it and their folder.", fault),
    };

    // Of the index of the write-ahead log SQLite says no more than that it could not be made as large as it must be.
    private static bool IsFull(Exception fault) =>
        DiskSpace.IsFull(fault) || fault is SqliteException { SqliteErrorCode: raw.SQLITE_FULL } or SqliteException { SqliteExtendedErrorCode: raw.SQLITE_IOERR_SHMSIZE };

    /// <inheritdoc/>
    protected override ValueTask PrepareAsync()
    {
        _writer ??= new SqliteWriter(_path, _disk);
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    protected override ValueTask<long> LastAsync(string stream) => new(_writer!.Last(stream));

    /// <inheritdoc/>
    protected override ValueTask CommitAsync(IReadOnlyList<NewEvent> events)
    {
        try
        {
            _writer!.Commit(events, _ids);
            return ValueTask.CompletedTask;
        }
        catch
        {
            // A new connection reads what is on the disk, whatever state the old one is in.
            _ids.Clear();
            _writer!.Dispose();
            _writer = null;
            throw;
        }
    }

    /// <inheritdoc/>
    protected override async IAsyncEnumerable<LoggedEvent> ReadKeptAsync(string stream, long after, [EnumeratorCancellation] CancellationToken ct)
    {
        await Task.CompletedTask.ConfigureAwait(false);

        // Page by page: an open query would hold the write-ahead log from being begun anew for as long as the reader takes.
        using SqliteConnection connection = SqliteWriter.Connect(_path);
        using SqliteCommand select = connection.CreateCommand();
        select.CommandText =
            "SELECT sequence, at, kind, body FROM events WHERE stream = (SELECT id FROM streams WHERE name = $stream) AND sequence > $after ORDER BY sequence LIMIT $count";
        select.Parameters.AddWithValue("$stream", stream);
        select.Parameters.AddWithValue("$count", PageSize);
        SqliteParameter last = select.Parameters.AddWithValue("$after", after);
        var page = new List<LoggedEvent>(PageSize);
        do
        {
            page.Clear();
            using (SqliteDataReader reader = select.ExecuteReader())
            {
                while (reader.Read())
                    page.Add(new LoggedEvent(reader.GetInt64(0), DateTimeOffset.UnixEpoch.AddMicroseconds(reader.GetInt64(1)), reader.GetString(2), reader.GetString(3)));
            }

            foreach (LoggedEvent next in page)
            {
                ct.ThrowIfCancellationRequested();
                yield return next;
                last.Value = next.Sequence;
            }
        }
        while (page.Count == PageSize);
    }

    /// <inheritdoc/>
    protected override ValueTask<IReadOnlyList<string>> ListKeptAsync(string prefix, CancellationToken ct)
    {
        using SqliteConnection connection = SqliteWriter.Connect(_path);
        using SqliteCommand select = connection.CreateCommand();
        select.CommandText = "SELECT name FROM streams WHERE name >= $prefix AND substr(name, 1, length($prefix)) = $prefix ORDER BY name";
        select.Parameters.AddWithValue("$prefix", prefix);
        using SqliteDataReader reader = select.ExecuteReader();
        var names = new List<string>();
        while (reader.Read()) names.Add(reader.GetString(0));
        return new ValueTask<IReadOnlyList<string>>(names);
    }

    /// <inheritdoc/>
    protected override ValueTask CloseAsync()
    {
        _writer?.Dispose();
        _writer = null;
        _lock.Dispose();
        return ValueTask.CompletedTask;
    }
}
