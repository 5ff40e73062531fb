using System.ComponentModel.DataAnnotations;
using System.Globalization;
using FedCore.Training.Data;
using FedCore.Training.Data.Tables;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace FedCore.Client.Data;

/// <summary>
/// A query of an SQLite file, which is opened for reading only. Which columns are features and which is the label says the run's data contract. NULL and empty
/// text are missing values; blanks around a text do not count.
/// </summary>
public sealed class SqliteSource : IDataSource
{
    /// <summary>The database's file.</summary>
    [StringLength(4096, MinimumLength = 1)]
    public required string File { get; init; }

    /// <summary>The query: one SELECT, whose columns have the names of features and label. Each row is an example.</summary>
    [StringLength(1_000_000, MinimumLength = 1)]
    public required string Query { get; init; }

    /// <summary>Columns whose names differ from the features': feature name to column name.</summary>
    public IReadOnlyDictionary<string, string> Rename { get; init; } = new Dictionary<string, string>();

    /// <summary>How many seconds to wait for a database that another program has locked.</summary>
    [Range(1, 86_400)]
    public int TimeoutSeconds { get; init; } = 30;

    /// <inheritdoc/>
    public async ValueTask<DataPool> LoadAsync(DataRequest request, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(request);
        var table = new ExampleTable(request, "query");
        await OpenAsync(request.Folders, (connection, columns, origin) => ReadAsync(connection, columns, table, origin, $"{request.Key}.query", ct), ct).ConfigureAwait(false);
        return table.ToPool();
    }

    /// <inheritdoc/>
    public async ValueTask CheckAsync(DataFolders folders, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(folders);
        try
        {
            await OpenAsync(
                folders, (_, columns, origin) =>
                {
                    OptionsOf(origin).Check(origin, columns, folders.Key);
                    return ValueTask.CompletedTask;
                },
                ct).ConfigureAwait(false);
        }
        catch (FedCoreException fault) when (fault.InnerException is SqliteException { SqliteErrorCode: raw.SQLITE_BUSY or raw.SQLITE_LOCKED })
        {
            // It is there, and another program has it for now.
        }
    }

    private async ValueTask OpenAsync(DataFolders folders, Func<SqliteConnection, string[], TableOrigin, ValueTask> use, CancellationToken ct)
    {
        string path = folders.Find(File, null, "file");
        TableOrigin origin = QueryRows.Origin(path);
        try
        {
            var settings = new SqliteConnectionStringBuilder { DataSource = path, Mode = SqliteOpenMode.ReadOnly, Pooling = false, DefaultTimeout = TimeoutSeconds };
            using var connection = new SqliteConnection(settings.ConnectionString);
            await connection.OpenAsync(ct).ConfigureAwait(false);
            raw.sqlite3_busy_timeout(connection.Handle, TimeoutSeconds * 1000);
            using CancellationTokenRegistration interruption = ct.Register(() => raw.sqlite3_interrupt(connection.Handle));
            using SqliteCommand command = connection.CreateCommand();
            command.CommandText = "PRAGMA query_only = 1";
            await command.ExecuteNonQueryAsync(ct).ConfigureAwait(false);
            await use(connection, CheckStatement(connection.Handle!, origin, $"{folders.Key}.query"), origin).ConfigureAwait(false);
        }
        catch (SqliteException fault) when (fault.SqliteErrorCode == raw.SQLITE_INTERRUPT && ct.IsCancellationRequested)
        {
            throw new OperationCanceledException(fault.Message, fault, ct);
        }
        catch (SqliteException fault)
        {
            throw origin.Fault(Explain(fault, folders.Key), fault);
        }
    }

    private async ValueTask ReadAsync(SqliteConnection connection, string[] columns, ExampleTable table, TableOrigin origin, string key, CancellationToken ct)
    {
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = Query;
        using SqliteDataReader reader = await command.ExecuteReaderAsync(ct).ConfigureAwait(false);
        TablePart part = table.Begin(origin, columns, OptionsOf(origin));
        await QueryRows.ReadAsync(reader, part, origin, (column, row) => Text(reader, column, columns, row, origin), key, ct).ConfigureAwait(false);
    }

    private TableOptions OptionsOf(TableOrigin origin) => new(Path.GetFileNameWithoutExtension(origin.Name)) { Rename = Rename };

    // The library would run whatever else the text holds, and look at the kind of a statement only when it has run.
    private string[] CheckStatement(sqlite3 database, TableOrigin origin, string key)
    {
        string rest = Query;
        string[] columns = [];
        for (int statements = 0; ;)
        {
            int code = raw.sqlite3_prepare_v2(database, rest, out sqlite3_stmt statement, out rest);
            using (statement)
            {
                if (code is raw.SQLITE_BUSY or raw.SQLITE_NOTADB or raw.SQLITE_CORRUPT or raw.SQLITE_CANTOPEN or raw.SQLITE_IOERR) SqliteException.ThrowExceptionForRC(code, database);
                if (code != raw.SQLITE_OK)
                    throw origin.Fault($"the query cannot be run: {Shown.Of(raw.sqlite3_errmsg(database).utf8_to_string(), 300)}. Correct {key}");
                if (statement.IsInvalid)
                {
                    // Nothing but blanks and comments.
                    if (rest.Length > 0) continue;
                    if (statements == 0) throw origin.Fault($"the query is empty. Write a SELECT into {key}");
                    return columns;
                }

                if (++statements > 1) throw origin.Fault($"the query holds several statements. Leave one SELECT in {key}");
                if (raw.sqlite3_stmt_readonly(statement) == 0) throw origin.Fault($"the query would change the database, which is only read. Write a SELECT into {key}");
                if (raw.sqlite3_column_count(statement) == 0) throw origin.Fault($"the query gives no table. Write a SELECT into {key}");
                columns = [.. Enumerable.Range(0, raw.sqlite3_column_count(statement)).Select(column => raw.sqlite3_column_name(statement, column).utf8_to_string())];
            }
        }
    }

    // SQLite's values have types, its columns have not.
    private static string? Text(SqliteDataReader reader, int column, string[] columns, long row, TableOrigin origin) => reader.GetValue(column) switch
    {
        DBNull => null,
        long number => number.ToString(CultureInfo.InvariantCulture),
        double number => number.ToString("R", CultureInfo.InvariantCulture),
        string text => text.Trim(),
        byte[] bytes => throw origin.Fault(
            row, $"column '{Shown.Of(columns[column])}' is a blob of {bytes.Length} bytes, but features and label are numbers or texts. Select another column, or what the blob says"),
        var other => throw new NotSupportedException($"SQLite gave a {other.GetType()}."),
    };

    private string Explain(SqliteException fault, string key) => fault.SqliteErrorCode switch
    {
        raw.SQLITE_NOTADB => $"it is not an SQLite database. Name another file in {key}.file",
        raw.SQLITE_BUSY or raw.SQLITE_LOCKED =>
            $"another program has had the database locked for {TimeoutSeconds} seconds. Read it when that program is done, or set {key}.timeoutSeconds to more",
        raw.SQLITE_CANTOPEN or raw.SQLITE_READONLY =>
            "the database cannot be opened for reading. Check that the file may be read; one with a write-ahead log (-wal) also needs its folder to be writable, or nobody to have it open",
        raw.SQLITE_ERROR => $"the query cannot be run: {Shown.Of(fault.Message.TrimEnd('.'), 300)}. Correct {key}.query",
        _ => $"the database cannot be read ({Shown.Of(fault.Message.TrimEnd('.'), 300)}). Check the file, or name another in {key}.file",
    };
}
