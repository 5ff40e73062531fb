using System.Globalization;
using System.Text;
using FedCore.Client.Data;
using FedCore.Numerics;
using FedCore.Rounds;
using FedCore.Tests;
using FedCore.Training.Data;
using FedCore.Training.Data.Csv;
using Microsoft.Data.Sqlite;
using Npgsql;
using NpgsqlTypes;

namespace FedCore.Client.Tests.Data;

/// <summary>The same table gives the same examples, to the last bit, whether it lies in a file of text, in SQLite or in PostgreSQL.</summary>
public sealed class SameTableTests(PostgresServer server) : IDisposable
{
    private const int Rows = 500;

    private static readonly DataContract Contract = new()
    {
        Features =
        [
            new Feature { Name = "count" }, new Feature { Name = "level", Center = 0.3, Scale = 1.7 }, new Feature { Name = "price" }, new Feature { Name = "smokes" },
            new Feature { Name = "kind", Categories = ["a", "ü, \"b\"", "3"] },
        ],
        Label = new Label { Name = "ill" },
        Missing = MissingValues.Mean,
        Standardize = true,
    };

    private readonly TemporaryFolder _folder = new();

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Csv_sqlite_and_postgres_give_bit_identical_examples()
    {
        Row[] rows = [.. Enumerable.Range(0, Rows).Select(Draw)];
        WriteCsv(rows);
        WriteSqlite(rows);
        string connection = await server.ConnectionStringAsync(Ct);
        await WritePostgresAsync(rows, connection);
        const string query = "select ill, kind, smokes, price, level, \"count\" from readings order by n";
        int[] csv = await BitsAsync(new CsvSource { Files = ["readings.csv"] });
        Assert.Equal(Rows * 8, csv.Length);
        Assert.Equal(csv, await BitsAsync(new SqliteSource { File = "readings.db", Query = query }));
        Assert.Equal(csv, await BitsAsync(new PostgresSource { ConnectionString = connection, Query = query }));
    }

    private async Task<int[]> BitsAsync(IDataSource source)
    {
        RunPlan plan = Runs.Plan(Contract);
        return SiteData.Of(plan, await source.LoadAsync(_folder.AtSite(plan), Ct), "site").Bits();
    }

    // Doubles of all magnitudes that a float still holds, decimals with 20 digits, large integers, and now and then nothing.
    private static Row Draw(int n)
    {
        RandomStream random = new RandomKeys([], 5).Stream("rows", n);
        return new Row(
            n,
            n % 13 == 4 ? null : (long)random.NextUInt64() >> (int)(random.NextUInt64() % 60),
            n % 17 == 5 ? null : random.NextNormal() * Math.Pow(10, random.NextInt32(40) - 20),
            n % 19 == 6 ? null : new decimal(random.NextInt32(int.MaxValue), random.NextInt32(int.MaxValue), 0, n % 2 == 0, 7),
            random.NextInt32(2) == 1,
            n % 23 == 7 ? null : Contract.Features[4].Categories![random.NextInt32(3)],
            random.NextInt32(2));
    }

    private void WriteCsv(Row[] rows)
    {
        var text = new StringBuilder("n,count,level,price,smokes,kind,ill\n");
        foreach (Row row in rows)
            text.Append(CultureInfo.InvariantCulture, $"{row.N},{row.Count},{row.Level:R},{row.Price},{(row.Smokes ? 1 : 0)},\"{row.Kind?.Replace("\"", "\"\"", StringComparison.Ordinal)}\",{row.Ill}\n");
        _folder.File("readings.csv", text.ToString());
    }

    // As a program would that keeps money as text.
    private void WriteSqlite(Row[] rows)
    {
        using var connection = new SqliteConnection($"Data Source={_folder["readings.db"]};Pooling=False");
        connection.Open();
        using SqliteTransaction transaction = connection.BeginTransaction();
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = "create table readings (n integer primary key, \"count\" integer, level real, price text, smokes boolean, kind text, ill integer)";
        command.ExecuteNonQuery();
        command.CommandText = "insert into readings values ($n, $count, $level, $price, $smokes, $kind, $ill)";
        foreach (Row row in rows)
        {
            command.Parameters.Clear();
            command.Parameters.AddWithValue("$n", row.N);
            command.Parameters.AddWithValue("$count", row.Count ?? (object)DBNull.Value);
            command.Parameters.AddWithValue("$level", row.Level ?? (object)DBNull.Value);
            command.Parameters.AddWithValue("$price", row.Price ?? (object)DBNull.Value);
            command.Parameters.AddWithValue("$smokes", row.Smokes);
            command.Parameters.AddWithValue("$kind", row.Kind ?? (object)DBNull.Value);
            command.Parameters.AddWithValue("$ill", row.Ill);
            command.ExecuteNonQuery();
        }

        transaction.Commit();
    }

    private static async Task WritePostgresAsync(Row[] rows, string connectionString)
    {
        await using NpgsqlDataSource source = NpgsqlDataSource.Create(connectionString);
        await using NpgsqlConnection connection = await source.OpenConnectionAsync(Ct);
        await using (var create = new NpgsqlCommand(
            "create table readings (n int primary key, \"count\" bigint, level double precision, price numeric, smokes boolean, kind varchar(20), ill smallint)", connection))
            await create.ExecuteNonQueryAsync(Ct);
        await using NpgsqlBinaryImporter import = await connection.BeginBinaryImportAsync("copy readings from stdin (format binary)", Ct);
        foreach (Row row in rows)
        {
            await import.StartRowAsync(Ct);
            await import.WriteAsync(row.N, NpgsqlDbType.Integer, Ct);
            await WriteAsync(row.Count, NpgsqlDbType.Bigint);
            await WriteAsync(row.Level, NpgsqlDbType.Double);
            await WriteAsync(row.Price, NpgsqlDbType.Numeric);
            await import.WriteAsync(row.Smokes, NpgsqlDbType.Boolean, Ct);
            await WriteAsync(row.Kind, NpgsqlDbType.Varchar);
            await import.WriteAsync((short)row.Ill, NpgsqlDbType.Smallint, Ct);
        }

        await import.CompleteAsync(Ct);

        Task WriteAsync(object? value, NpgsqlDbType type) => value is null ? import.WriteNullAsync(Ct) : import.WriteAsync(value, type, Ct);
    }

    private sealed record Row(int N, long? Count, double? Level, decimal? Price, bool Smokes, string? Kind, int Ill);
}
