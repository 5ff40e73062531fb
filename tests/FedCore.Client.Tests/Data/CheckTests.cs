using System.Net;
using System.Net.Sockets;
using FedCore.Client.Data;
using FedCore.Tests;
using FedCore.Training.Data;
using FedCore.Training.Data.Csv;
using FedCore.Training.Data.Datasets;
using FedCore.Training.Data.Idx;
using Microsoft.Data.Sqlite;

namespace FedCore.Client.Tests.Data;

/// <summary>What a site learns of its data when it starts, without a run.</summary>
public sealed class CheckTests(PostgresServer server) : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Files_that_are_there_pass_whatever_their_rows_say()
    {
        _folder.File("a.csv", "age,sex,ill\nnobody,reads,this\n");
        _folder.File("bare.csv", "1,2\n");
        await CheckAsync(new CsvSource { Files = ["a.csv"], ClientColumn = "sex", Rename = new Dictionary<string, string> { ["gender"] = "sex" } });
        await CheckAsync(new CsvSource { Files = ["bare.csv"], Columns = ["age", "ill"] });
    }

    [Fact]
    public async Task A_file_that_is_not_there_is_named() =>
        await RefusesAsync(new CsvSource { Files = ["absent.csv"] }, FaultKind.Configuration, "data.not-found", "data.files[0]", _folder["absent.csv"]);

    [Fact]
    public async Task Columns_that_settings_name_and_a_file_has_not_are_named()
    {
        _folder.File("a.csv", "age,sex,ill\n30,m,1\n");
        await RefusesAsync(new CsvSource { Files = ["a.csv"], ClientColumn = "ward" }, FaultKind.Configuration, "data.csv", "'ward'", "age, sex, ill", "data.clientColumn");
        await RefusesAsync(
            new CsvSource { Files = ["a.csv"], Rename = new Dictionary<string, string> { ["age"] = "years" } }, FaultKind.Configuration, "data.csv", "'years'", "data.rename", "'age'");
    }

    [Fact]
    public async Task Images_without_as_many_labels_are_a_fault_though_the_pixels_are_not_read()
    {
        await File.WriteAllBytesAsync(_folder["images"], [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 28, 0, 0, 0, 28], TestContext.Current.CancellationToken);
        await File.WriteAllBytesAsync(_folder["labels"], [0, 0, 8, 1, 0, 0, 0, 2], TestContext.Current.CancellationToken);
        await File.WriteAllBytesAsync(_folder["more"], [0, 0, 8, 1, 0, 0, 0, 3], TestContext.Current.CancellationToken);
        await CheckAsync(new IdxSource { Images = "images", Labels = "labels", TestImages = null, TestLabels = null });
        await RefusesAsync(new IdxSource { Images = "images", Labels = "more", TestImages = null, TestLabels = null }, FaultKind.Configuration, "data.idx", "2 images, but 3 labels");
    }

    [Fact]
    public async Task A_query_of_an_SQLite_file_is_understood_and_not_run()
    {
        await using (var connection = new SqliteConnection($"Data Source={_folder["p.db"]};Pooling=False"))
        {
            await connection.OpenAsync(TestContext.Current.CancellationToken);
            await using SqliteCommand command = connection.CreateCommand();
            command.CommandText = "create table p (age real, ill integer)";
            await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
        }

        // Rows without an end.
        const string Endless = "with recursive n(age) as (select 1 union all select age + 1 from n) select max(age) as years, 0 as ill from n";
        await CheckAsync(new SqliteSource { File = "p.db", Query = Endless, Rename = new Dictionary<string, string> { ["age"] = "years" } });
        await RefusesAsync(new SqliteSource { File = "p.db", Query = "select weight from p" }, FaultKind.Configuration, "data.query", "no such column", "data.query");
        await RefusesAsync(new SqliteSource { File = "p.db", Query = "select age from p", Rename = new Dictionary<string, string> { ["a"] = "b" } }, FaultKind.Configuration, "data.query", "'b'", "data.rename");
        await RefusesAsync(new SqliteSource { File = "q.db", Query = "select 1" }, FaultKind.Configuration, "data.not-found", "data.file");
    }

    [Fact]
    public async Task A_query_of_a_PostgreSQL_server_is_understood_and_not_run()
    {
        string database = await server.ConnectionStringAsync(TestContext.Current.CancellationToken);
        await CheckAsync(new PostgresSource { ConnectionString = database, Query = "select pg_sleep(3600) as age, 0 as ill" });
        await RefusesAsync(new PostgresSource { ConnectionString = database, Query = "select weight from absent" }, FaultKind.Configuration, "data.query", "absent", "data.query");
        await RefusesAsync(
            new PostgresSource { ConnectionString = database, Query = "select 1 as age", Rename = new Dictionary<string, string> { ["a"] = "b" } }, FaultKind.Configuration, "data.query", "'b'", "data.rename");
    }

    [Fact]
    public async Task A_server_that_is_not_there_cannot_be_reached()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        int port = ((IPEndPoint)listener.LocalEndpoint).Port;
        listener.Stop();
        await RefusesAsync(new PostgresSource { ConnectionString = $"Host=127.0.0.1;Port={port};Username=fedcore", Query = "select 1" }, FaultKind.Unreachable, "data.unreachable", $"127.0.0.1:{port}");
    }

    private ValueTask CheckAsync(IDataSource source) => source.CheckAsync(DataFolders.OfSite(_folder.Path, new DatasetStore()), TestContext.Current.CancellationToken);

    private async Task RefusesAsync(IDataSource source, FaultKind kind, string code, params string[] names) =>
        Examples.AssertFault(await Assert.ThrowsAsync<FedCoreException>(() => CheckAsync(source).AsTask()), kind, code, names);
}
