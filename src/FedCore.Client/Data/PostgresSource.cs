using System.ComponentModel.DataAnnotations;
using System.Data;
using System.Data.Common;
using System.Globalization;
using System.Net.Sockets;
using FedCore.Training.Data;
using FedCore.Training.Data.Tables;
using Npgsql;
using Npgsql.PostgresTypes;

namespace FedCore.Client.Data;

/// <summary>
/// A query of a PostgreSQL database, in a transaction that can only read. Which columns are features and which is the label says the run's data contract. NULL and
/// empty text are missing values; blanks around a text do not count; true is 1 and false 0.
/// </summary>
public sealed class PostgresSource : IDataSource
{
    // The server reports its own timeout first; this one is for a server that has gone silent.
    private const int SilenceSeconds = 15;

    /// <summary>The database, such as <c>Host=db.clinic.example;Database=patients;Username=fedcore</c>. Give it a user who may read and nothing else.</summary>
    [StringLength(10_000, MinimumLength = 1)]
    public required string ConnectionString { get; init; }

    /// <summary>The environment variable that has the password, so that it does not stand in a file; null where the connection string says how to log in.</summary>
    [StringLength(200, MinimumLength = 1)]
    public string? PasswordVariable { get; init; }

    /// <summary>The query: one SELECT, whose columns have the names of features and label. Each row is an example.</summary>
    [StringLength(1_000_000, MinimumLength = 1)]
    public required string Query { get; init; }

    /// <summary>Columns whose names differ from the features': feature name to column name.</summary>
    public IReadOnlyDictionary<string, string> Rename { get; init; } = new Dictionary<string, string>();

    /// <summary>How many seconds the query may take.</summary>
    [Range(1, 86_400)]
    public int TimeoutSeconds { get; init; } = 600;

    /// <inheritdoc/>
    public async ValueTask<DataPool> LoadAsync(DataRequest request, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(request);
        var table = new ExampleTable(request, "query");
        await QueryAsync(request.Key, CommandBehavior.Default, (reader, columns, origin) => ReadAsync(reader, columns, table, origin, $"{request.Key}.query", ct), ct).ConfigureAwait(false);
        return table.ToPool();
    }

    /// <inheritdoc/>
    public ValueTask CheckAsync(DataFolders folders, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(folders);
        return QueryAsync(
            folders.Key, CommandBehavior.SchemaOnly, (_, columns, origin) =>
            {
                Options.Check(origin, columns, folders.Key);
                return ValueTask.CompletedTask;
            },
            ct);
    }

    private TableOptions Options => new("query") { Rename = Rename };

    private async ValueTask QueryAsync(string key, CommandBehavior behavior, Func<NpgsqlDataReader, string[], TableOrigin, ValueTask> read, CancellationToken ct)
    {
        NpgsqlConnectionStringBuilder settings = Settings(key);
        var faults = new PostgresFaults(settings, key, PasswordVariable, TimeoutSeconds);
        try
        {
            var connection = new NpgsqlConnection(settings.ConnectionString);
            await using (connection.ConfigureAwait(false))
            {
                await connection.OpenAsync(ct).ConfigureAwait(false);

                // Types that were made since somebody last connected are known by their names.
                await connection.ReloadTypesAsync(ct).ConfigureAwait(false);
                await QueryAsync(connection, behavior, read, QueryRows.Origin(faults.Name), $"{key}.query", ct).ConfigureAwait(false);
            }
        }
        catch (Exception fault) when (fault is NpgsqlException or SocketException or TimeoutException)
        {
            throw faults.Explain(fault);
        }
    }

    private NpgsqlConnectionStringBuilder Settings(string key)
    {
        NpgsqlConnectionStringBuilder settings;
        try
        {
            settings = new NpgsqlConnectionStringBuilder(ConnectionString);
        }
        catch (Exception fault) when (fault is ArgumentException or FormatException or InvalidCastException or OverflowException)
        {
            // What exactly is wrong may be a part of a password.
            throw FedCoreException.Configuration(
                "data.source", $"{key}.connectionString cannot be read. Write it as Host=...;Port=5432;Database=...;Username=..., and the password into an environment variable that {key}.passwordVariable names.");
        }

        if (string.IsNullOrEmpty(settings.Host))
            throw FedCoreException.Configuration("data.source", $"{key}.connectionString names no server. Add Host=... to it.");
        if (PasswordVariable is { } variable)
        {
            if (!string.IsNullOrEmpty(settings.Password))
                throw FedCoreException.Configuration("data.source", $"{key} has a password in connectionString and a passwordVariable. Keep the variable.");
            settings.Password = Environment.GetEnvironmentVariable(variable) is { Length: > 0 } password ? password : throw FedCoreException.Configuration(
                "data.source", $"{key}.passwordVariable names the environment variable '{Shown.Of(variable)}', which is not set. Set it for the service, or name another.");
        }

        if (string.IsNullOrEmpty(settings.ApplicationName)) settings.ApplicationName = "fedcore";
        (settings.Pooling, settings.Enlist, settings.TcpKeepAlive, settings.CommandTimeout) = (false, false, true, TimeoutSeconds + SilenceSeconds);
        return settings;
    }

    private async ValueTask QueryAsync(
        NpgsqlConnection connection, CommandBehavior behavior, Func<NpgsqlDataReader, string[], TableOrigin, ValueTask> read, TableOrigin origin, string key, CancellationToken ct)
    {
        NpgsqlTransaction transaction = await connection.BeginTransactionAsync(ct).ConfigureAwait(false);
        await using (transaction.ConfigureAwait(false))
        {
            string limits = string.Create(
                CultureInfo.InvariantCulture, $"SET TRANSACTION READ ONLY; SET LOCAL statement_timeout = {TimeoutSeconds * 1000}; SET LOCAL extra_float_digits = 3");
            var command = new NpgsqlCommand(limits, connection, transaction);
            await using (command.ConfigureAwait(false)) await command.ExecuteNonQueryAsync(ct).ConfigureAwait(false);

            // Without a parameter the text would be cut at semicolons and its parts run. With one, which is not used, it is one statement, or the server refuses it.
            var query = new NpgsqlCommand(Query, connection, transaction) { AllResultTypesAreUnknown = true, Parameters = { new NpgsqlParameter<int> { TypedValue = 0 } } };
            await using (query.ConfigureAwait(false))
            {
                NpgsqlDataReader reader = await query.ExecuteReaderAsync(behavior, ct).ConfigureAwait(false);
                try
                {
                    if (reader.FieldCount == 0) throw origin.Fault($"the query gives no table. Write a SELECT into {key}");
                    await read(reader, QueryRows.ColumnsOf(reader), origin).ConfigureAwait(false);
                }
                catch
                {
                    await AbandonAsync(query, reader).ConfigureAwait(false);
                    throw;
                }

                await reader.DisposeAsync().ConfigureAwait(false);
            }
        }
    }

    private async ValueTask ReadAsync(NpgsqlDataReader reader, string[] columns, ExampleTable table, TableOrigin origin, string key, CancellationToken ct)
    {
        TablePart part = table.Begin(origin, columns, Options);
        bool[] booleans = new bool[columns.Length];
        foreach (int column in part.UsedColumns)
        {
            PostgresType type = reader.GetPostgresType(column);
            booleans[column] = type.InternalName == "bool";
            if (!IsTextOrNumber(type))
            {
                throw origin.Fault($"column '{Shown.Of(columns[column])}' of the query is a {type.DisplayName}, but features and label are numbers, booleans or texts. "
                    + $"Convert it in {key}, such as extract(epoch from ...) for a time");
            }
        }

        await QueryRows.ReadAsync(reader, part, origin, (column, _) => Text(reader, column, booleans[column]), key, ct).ConfigureAwait(false);
    }

    // The server writes all values as text, numbers in the shortest form that gives them back, as in its own CSV files.
    private static string? Text(NpgsqlDataReader reader, int column, bool isBoolean)
    {
        if (reader.IsDBNull(column)) return null;
        string text = reader.GetString(column);
        return isBoolean ? text == "t" ? "1" : "0" : text.Trim();
    }

    private static bool IsTextOrNumber(PostgresType type) => type is PostgresEnumType || type.InternalName
        is "int2" or "int4" or "int8" or "float4" or "float8" or "numeric" or "bool" or "text" or "varchar" or "bpchar" or "citext" or "name" or "char" or "unknown";

    // Otherwise the reader reads what is left of the rows before it closes.
    private static async ValueTask AbandonAsync(NpgsqlCommand query, NpgsqlDataReader reader)
    {
        try
        {
            query.Cancel();
            await reader.DisposeAsync().ConfigureAwait(false);
        }
        catch (DbException)
        {
            // The server says that the query was cancelled, or nothing any more.
        }
    }
}
