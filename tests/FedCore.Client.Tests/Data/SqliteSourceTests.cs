using System.Diagnostics;
using FedCore.Client.Data;
using FedCore.Rounds;
using FedCore.Tests;
using FedCore.Training.Data;
using Microsoft.Data.Sqlite;

namespace FedCore.Client.Tests.Data;

public sealed class SqliteSourceTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private string Path => _folder["patients.db"];

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Rows_of_a_query_are_examples()
    {
        Create("create table p (id integer, age real, sex text, ill boolean)", "insert into p values (1, 30, 'm', 1), (2, 45.5, ' f ', 0)");
        DataPool pool = await LoadAsync("select ill, sex, age from p order by id desc");
        Assert.Equal([[45.5f, 1, 0], [30, 0, 1]], pool.Features());
        Assert.Equal([0f, 1], pool.Labels());
    }

    // A third, the smallest denormal double's neighbour in range of a float, and 2^53 + 1, which no double has.
    [Fact]
    public async Task Values_of_every_kind_come_exactly()
    {
        Create(
            "create table p (n integer, age, sex text, ill integer)",
            "insert into p values (1, 9007199254740993, 'f', 0), (2, 0.1, 'f', 0), (3, 1.0/3, 'f', 0), (4, '0.1', 'f', 0), (5, 1e-44, 'f', 0), (6, -17, 'f', 0)");
        DataPool pool = await LoadAsync("select age, sex, ill from p order by n");
        Assert.Equal([9007199254740993L, (float)0.1, (float)(1.0 / 3), (float)0.1, (float)1e-44, -17], pool.Features().Select(row => row[0]));
    }

    [Fact]
    public async Task Null_is_a_missing_value()
    {
        Create("create table p (age real, sex text, ill integer)", "insert into p values (null, 'm', 1), (30, null, 0), (31, '', 0), (32, 'f', 1)");
        DataPool pool = await LoadAsync("select * from p", Runs.Contract with { Missing = MissingValues.Zero });
        Assert.Equal([[0f, 0, 1], [30, 0, 0], [31, 0, 0], [32, 1, 0]], pool.Features());
        pool = await LoadAsync("select * from p", Runs.Contract with { Missing = MissingValues.DropExample });
        Assert.Equal([[32f, 1, 0]], pool.Features());
        await RefusesAsync("select * from p", "data.query", "row 1 of the query", "'age'", "no value", "the run's data.missing");
    }

    [Fact]
    public async Task Renamed_columns_are_found()
    {
        Create("create table p (years real, gender text, ill integer)", "insert into p values (30, 'm', 1)");
        var source = new SqliteSource { File = "patients.db", Query = "select * from p", Rename = new Dictionary<string, string> { ["age"] = "years", ["sex"] = "gender" } };
        Assert.Equal([[30f, 0, 1]], (await source.LoadAsync(_folder.AtSite(Runs.Plan()), TestContext.Current.CancellationToken)).Features());
    }

    [Theory]
    [InlineData("select age, sex from p", "no column 'ill'", "age, sex", "data.rename")]
    [InlineData("select age, sex, ill, 2 as age from p", "2 columns are called 'age'")]
    [InlineData("selec age from p", "syntax error", "data.query")]
    [InlineData("select wrong from p", "no such column: wrong", "data.query")]
    [InlineData("select * from q", "no such table: q", "data.query")]
    [InlineData(" -- nothing\n", "empty", "SELECT")]
    [InlineData("select age, sex, ill from p where age > 1000", "no rows", "data.query")]
    [InlineData("select x'0102' as age, sex, ill from p", "row 1 of the query", "'age'", "a blob of 2 bytes")]
    [InlineData("select '2024-01-31 10:00:00' as age, sex, ill from p", "row 1 of the query", "'age'", "2024-01-31", "not a number")]
    [InlineData("select age, sex, 7 as ill from p", "row 1 of the query", "'ill'", "'7'", "0 to 1")]
    [InlineData("select case when age > 30 then 'x' else sex end as sex, age, ill from p order by age", "row 2 of the query", "'sex'", "'x'", "f, m")]
    [InlineData("select 9e999 as age, sex, ill from p", "row 1 of the query", "'age'", "not finite")]
    [InlineData("select abs(-9223372036854775807 - 1) as age, sex, ill from p", "integer overflow", "data.query")]
    public async Task What_is_wrong_is_named_with_its_place(string query, params string[] names)
    {
        Create("create table p (age real, sex text, ill integer)", "insert into p values (30, 'm', 1), (31, 'f', 0)");
        await RefusesAsync(query, "data.query", [Path, .. names]);
    }

    [Theory]
    [InlineData("delete from p returning age, sex, ill", "would change the database")]
    [InlineData("update p set age = 0", "would change the database")]
    [InlineData("pragma journal_mode = wal", "would change the database")]
    [InlineData("attach 'other.db' as other", "gives no table")]
    [InlineData("select age, sex, ill from p; delete from p", "several statements")]
    [InlineData("select age, sex, ill from p; pragma query_only = 0; delete from p;", "several statements")]
    public async Task Nothing_but_one_query_that_only_reads_is_run(string query, string what)
    {
        Create("create table p (age real, sex text, ill integer)", "insert into p values (30, 'm', 1)");
        byte[] before = await File.ReadAllBytesAsync(Path, TestContext.Current.CancellationToken);
        await RefusesAsync(query, "data.query", Path, what, "SELECT");
        Assert.Equal(before, await File.ReadAllBytesAsync(Path, TestContext.Current.CancellationToken));
        Assert.Equal(["patients.db"], Directory.EnumerateFileSystemEntries(_folder.Path).Select(System.IO.Path.GetFileName));
    }

    [Theory]
    [InlineData("select age, sex, ill from p;")]
    [InlineData("/* all */ select age, sex, ill from p; -- done\n ")]
    [InlineData("with q as (select * from p) select age, sex, ill from q")]
    public async Task A_query_may_have_comments_and_a_last_semicolon(string query)
    {
        Create("create table p (age real, sex text, ill integer)", "insert into p values (30, 'm', 1)");
        Assert.Equal([[30f, 0, 1]], (await LoadAsync(query)).Features());
    }

    [Fact]
    public async Task An_absent_file_is_named_with_the_settings_key_and_is_not_made()
    {
        await RefusesAsync("select 1", "data.not-found", "data.file is 'patients.db'", Path, "Correct data.file.");
        Assert.False(File.Exists(Path));
    }

    [Fact]
    public async Task A_file_of_another_kind_is_refused()
    {
        _folder.File("patients.db", new string('x', 5000));
        await RefusesAsync("select 1", "data.query", Path, "not an SQLite database", "data.file");
    }

    [Fact]
    public async Task A_locked_database_is_refused_when_the_wait_is_over()
    {
        Create("create table p (age real, sex text, ill integer)", "insert into p values (30, 'm', 1)");
        using var other = new SqliteConnection($"Data Source={Path};Pooling=False");
        other.Open();
        Run(other, "begin exclusive");
        var source = new SqliteSource { File = Path, Query = "select * from p", TimeoutSeconds = 1 };
        long start = Stopwatch.GetTimestamp();
        var fault = await Assert.ThrowsAsync<FedCoreException>(() => source.LoadAsync(_folder.AtSite(Runs.Plan()), TestContext.Current.CancellationToken).AsTask());
        Assert.InRange(Stopwatch.GetElapsedTime(start).TotalSeconds, 0.9, 30);
        Examples.AssertFault(fault, FaultKind.Configuration, "data.query", Path, "locked for 1 seconds", "data.timeoutSeconds");
        Run(other, "rollback");
        Assert.Equal([[30f, 0, 1]], (await LoadAsync("select * from p")).Features());
    }

    // What the other program has written and not yet committed is not seen, and it goes on writing.
    [Fact]
    public async Task A_database_with_a_write_ahead_log_is_read_while_another_program_writes()
    {
        Create("pragma journal_mode = wal", "create table p (age real, sex text, ill integer)");
        using var other = new SqliteConnection($"Data Source={Path};Pooling=False");
        other.Open();
        Run(other, "insert into p values (30, 'm', 1)");
        Run(other, "begin immediate");
        Run(other, "insert into p values (31, 'f', 0)");
        Assert.Equal([[30f, 0, 1]], (await LoadAsync("select * from p order by age")).Features());
        Run(other, "commit");
        Assert.Equal([[30f, 0, 1], [31, 1, 0]], (await LoadAsync("select * from p order by age")).Features());
    }

    // The cross join of a million rows with themselves has no end that a test could wait for.
    [Fact]
    public async Task A_query_without_end_is_cancelled()
    {
        Create("create table p (n integer)", "with recursive c(n) as (select 1 union all select n + 1 from c where n < 1000000) insert into p select n from c");
        using var cancellation = new CancellationTokenSource(TimeSpan.FromMilliseconds(200));
        var source = new SqliteSource { File = Path, Query = "select count(*) as age, 'f' as sex, 0 as ill from p a, p b where a.n <> b.n" };
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => source.LoadAsync(_folder.AtSite(Runs.Plan()), cancellation.Token).AsTask());
    }

    [Fact]
    public async Task A_run_without_a_data_contract_is_told_to_add_one()
    {
        var plan = Runs.Plan(Runs.Plan().Definition.Model);
        var fault = await Assert.ThrowsAsync<FedCoreException>(
            () => new SqliteSource { File = Path, Query = "select 1" }.LoadAsync(_folder.AtSite(plan), TestContext.Current.CancellationToken).AsTask());
        Examples.AssertFault(fault, FaultKind.Configuration, "data.contract", "\"data\"");
    }

    private Task<DataPool> LoadAsync(string query, DataContract? contract = null) =>
        new SqliteSource { File = "patients.db", Query = query }.LoadAsync(_folder.AtSite(Runs.Plan(contract)), TestContext.Current.CancellationToken).AsTask();

    private async Task RefusesAsync(string query, string code, params string[] names) =>
        Examples.AssertFault(await Assert.ThrowsAsync<FedCoreException>(() => LoadAsync(query)), FaultKind.Configuration, code, names);

    private void Create(params string[] statements)
    {
        using var connection = new SqliteConnection($"Data Source={Path};Pooling=False");
        connection.Open();
        foreach (string statement in statements) Run(connection, statement);
    }

    private static void Run(SqliteConnection connection, string statement)
    {
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = statement;
        command.ExecuteNonQuery();
    }
}
