using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using FedCore.Client.Data;
using FedCore.Rounds;
using FedCore.Tests;
using FedCore.Training.Data;
using Npgsql;

namespace FedCore.Client.Tests.Data;

/// <summary>Against a real server.</summary>
public sealed class PostgresSourceTests(PostgresServer server) : IDisposable
{
    private const string Two = "(values (30::float8, 'm', 1), (31, 'f', 0)) as p (age, sex, ill)";
    private readonly TemporaryFolder _folder = new();

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Rows_of_a_query_are_examples()
    {
        DataPool pool = await LoadAsync($"select ill, sex, age from {Two} order by age desc");
        Assert.Equal([[31f, 1, 0], [30, 0, 1]], pool.Features());
        Assert.Equal([0f, 1], pool.Labels());
    }

    // 40 digits, of which a decimal of 28 would hold none after the overflow; a single that is none of the doubles' short forms.
    [Theory]
    [InlineData("17::int2", "17")]
    [InlineData("(-2147483648)::int4", "-2147483648")]
    [InlineData("9007199254740993::int8", "9007199254740993")]
    [InlineData("0.1::float8", "0.1")]
    [InlineData("(1::float8 / 3)", "0.3333333333333333")]
    [InlineData("16777217::float4", "16777216")]
    [InlineData("0.1::float4", "0.1")]
    [InlineData("1234567890123456789012345678901234567890.123::numeric / 1e30", "1234567890.123456789")]
    [InlineData("12345678901234567890123456789.5::numeric", "12345678901234567890123456789.5")]
    [InlineData("1e-30::numeric(40,35)", "1e-30")]
    [InlineData("true", "1")]
    [InlineData("false", "0")]
    [InlineData("'2.5'::text", "2.5")]
    [InlineData("'2.5'::varchar(9)", "2.5")]
    [InlineData("'2.5'::char(9)", "2.5")]
    [InlineData("'2.5'", "2.5")]
    public async Task Values_of_every_kind_come_exactly(string expression, string number)
    {
        DataPool pool = await LoadAsync($"select {expression} as age, 'f' as sex, 0 as ill");
        Assert.Equal((float)double.Parse(number, CultureInfo.InvariantCulture), pool.Features()[0][0]);
    }

    [Fact]
    public async Task Names_of_an_enumeration_are_categories()
    {
        await ExecuteAsync("create type gender as enum ('f', 'm')");
        Assert.Equal([[1f, 0, 1]], (await LoadAsync("select 1 as age, 'm'::gender as sex, 0 as ill")).Features());
    }

    [Fact]
    public async Task Null_is_a_missing_value()
    {
        const string query = "select * from (values (null::int, 'm', 1), (30, null, 0), (31, '', 0), (32, 'f', 1)) as p (age, sex, ill)";
        DataPool pool = await LoadAsync(query, Runs.Contract with { Missing = MissingValues.Zero });
        Assert.Equal([[0f, 0, 1], [30, 0, 0], [31, 0, 0], [32, 1, 0]], pool.Features());
        await RefusesAsync(query, "row 1 of the query", "'age'", "no value", "the run's data.missing");
    }

    [Theory]
    [InlineData($"select age, sex from {Two}", "no column 'ill'", "age, sex", "data.rename")]
    [InlineData($"select age, sex, ill, 2 as age from {Two}", "2 columns are called 'age'")]
    [InlineData("selec 1", "syntax error", "character 1", "data.query")]
    [InlineData($"select wrong from {Two}", "column \"wrong\" does not exist", "character 8", "data.query")]
    [InlineData("select * from nowhere", "relation \"nowhere\" does not exist", "data.query")]
    [InlineData(" -- nothing\n", "no table", "SELECT")]
    [InlineData($"select * from {Two} where age > 1000", "no rows", "data.query")]
    [InlineData($"select now()::timestamp as age, sex, ill from {Two}", "'age'", "timestamp without time zone", "extract(epoch")]
    [InlineData($"select now() as age, sex, ill from {Two}", "'age'", "timestamp with time zone")]
    [InlineData($"select age, '\\x0102'::bytea as sex, ill from {Two}", "'sex'", "bytea")]
    [InlineData($"select age, sex, '[1]'::jsonb as ill from {Two}", "'ill'", "jsonb")]
    [InlineData($"select age, sex, 7 as ill from {Two}", "row 1 of the query", "'ill'", "'7'", "0 to 1")]
    [InlineData($"select age, case when age > 30 then 'x' else sex end as sex, ill from {Two} order by age", "row 2 of the query", "'sex'", "'x'", "f, m")]
    [InlineData($"select 'NaN'::numeric as age, sex, ill from {Two}", "row 1 of the query", "'age'", "not finite")]
    [InlineData($"select 1 / (age - 31)::int as age, sex, ill from {Two} order by ill desc", "division by zero", "data.query")]
    public async Task What_is_wrong_is_named_with_its_place(string query, params string[] names) =>
        await RefusesAsync(query, [$"database 'postgres' at 127.0.0.1:", .. names]);

    [Theory]
    [InlineData("delete from kept returning age, sex, ill", "would change the database")]
    [InlineData("with gone as (delete from kept returning *) select * from gone", "would change the database")]
    [InlineData("select age, sex, ill from kept; delete from kept", "multiple commands")]
    [InlineData("commit; delete from kept", "multiple commands")]
    [InlineData("create table new (n int)", "would change the database")]
    [InlineData("set transaction read write", "read-write mode")]
    public async Task Nothing_but_one_query_that_only_reads_is_run(string query, string what)
    {
        await ExecuteAsync("create table if not exists kept (age int, sex text, ill int)");
        await ExecuteAsync("insert into kept values (30, 'm', 1)");
        await RefusesAsync(query, what, "data.query");
        Assert.NotEmpty((await LoadAsync("select * from kept;")).Features());
    }

    [Fact]
    public async Task A_query_that_takes_too_long_is_stopped_by_the_server()
    {
        PostgresSource source = await SourceAsync("select 1 as age, 'f' as sex, 0 as ill from pg_sleep(60)", timeoutSeconds: 1);
        Examples.AssertFault(await FaultOfAsync(source), FaultKind.Configuration, "data.query", "at most 1 seconds", "data.timeoutSeconds");
    }

    // A billion rows, of which the second is wrong: the rest is neither computed nor sent.
    [Fact]
    public async Task Rows_are_streamed_and_a_fault_ends_the_query()
    {
        long start = Stopwatch.GetTimestamp();
        await RefusesAsync("select n as age, case n when 2 then 'x' else 'f' end as sex, 0 as ill from (select generate_series(1, 1000000000) as n) as q", "row 2 of the query", "'x'");
        Assert.InRange(Stopwatch.GetElapsedTime(start).TotalSeconds, 0, 60);
        await AssertNobodyWorksAsync();
    }

    [Fact]
    public async Task A_query_is_cancelled()
    {
        PostgresSource source = await SourceAsync("select 1 as age, 'f' as sex, 0 as ill from pg_sleep(600)");
        using var cancellation = new CancellationTokenSource(TimeSpan.FromMilliseconds(300));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => source.LoadAsync(_folder.AtSite(Runs.Plan()), cancellation.Token).AsTask());
        await AssertNobodyWorksAsync();
    }

    [Fact]
    public async Task A_password_may_stand_in_an_environment_variable()
    {
        await server.ConnectionStringAsync(Ct);
        const string variable = "FEDCORE_TEST_DATABASE_PASSWORD";
        var source = new PostgresSource { ConnectionString = WithoutPassword(), PasswordVariable = variable, Query = $"select * from {Two}" };
        Examples.AssertFault(await FaultOfAsync(source), FaultKind.Configuration, "data.source", "data.passwordVariable", variable, "not set");
        Environment.SetEnvironmentVariable(variable, PostgresServer.Password);
        try
        {
            Assert.Equal(2, (await source.LoadAsync(_folder.AtSite(Runs.Plan()), Ct)).Train.Count);
        }
        finally
        {
            Environment.SetEnvironmentVariable(variable, null);
        }
    }

    [Theory]
    [InlineData("Password=wrong", "data.login", "user 'tester'", "password")]
    [InlineData("", "data.login", "user 'tester'", "password")]
    [InlineData("Username=nobody;Password=x", "data.login", "user 'nobody'")]
    public async Task A_wrong_login_is_said_without_the_password(string login, string code, params string[] names)
    {
        await server.ConnectionStringAsync(Ct);
        FedCoreException fault = await FaultOfAsync(new PostgresSource { ConnectionString = $"{WithoutPassword()};{login}", Query = "select 1" });
        Examples.AssertFault(fault, FaultKind.Configuration, code, names);
        Assert.DoesNotContain("wrong", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_database_that_is_not_there_is_named()
    {
        string connection = await server.ConnectionStringAsync(Ct);
        Examples.AssertFault(
            await FaultOfAsync(new PostgresSource { ConnectionString = connection.Replace("Database=postgres", "Database=clinic", StringComparison.Ordinal), Query = "select 1" }),
            FaultKind.Configuration, "data.query", "database 'clinic'", "no such database", "data.connectionString");
    }

    [Fact]
    public async Task A_user_who_may_not_read_is_told_what_to_ask_for()
    {
        string connection = await server.ConnectionStringAsync(Ct);
        await ExecuteAsync("create table secrets (age int, sex text, ill int); create role reader login password 'r'");
        string reader = connection.Replace("Username=tester", "Username=reader", StringComparison.Ordinal).Replace($"\"{PostgresServer.Password}\"", "r", StringComparison.Ordinal);
        Examples.AssertFault(
            await FaultOfAsync(new PostgresSource { ConnectionString = reader, Query = "select * from secrets" }),
            FaultKind.Configuration, "data.query", "user 'reader' may not read", "secrets", "grant SELECT");
    }

    [Fact]
    public async Task A_server_that_cannot_be_reached_is_a_fault_of_its_own_kind()
    {
        int port;
        using (var listener = new TcpListener(IPAddress.Loopback, 0))
        {
            listener.Start();
            port = ((IPEndPoint)listener.LocalEndpoint).Port;
        }

        var source = new PostgresSource { ConnectionString = $"Host=127.0.0.1;Port={port};Database=clinic;Username=u;Password=hidden", Query = "select 1" };
        FedCoreException fault = await FaultOfAsync(source);
        Examples.AssertFault(fault, FaultKind.Unreachable, "data.unreachable", $"database 'clinic' at 127.0.0.1:{port}", "data.connectionString");
        Assert.DoesNotContain("hidden", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_server_that_accepts_and_falls_silent_is_unreachable()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        int port = ((IPEndPoint)listener.LocalEndpoint).Port;
        var source = new PostgresSource { ConnectionString = $"Host=127.0.0.1;Port={port};Database=clinic;Username=u;Password=p;Timeout=1", Query = "select 1" };
        Examples.AssertFault(await FaultOfAsync(source), FaultKind.Unreachable, "data.unreachable", $"127.0.0.1:{port}");
    }

    [Fact]
    public async Task A_server_that_ends_the_session_while_rows_come_is_unreachable()
    {
        PostgresSource source = await SourceAsync("select pg_terminate_backend(pg_backend_pid()) as age, 'f' as sex, 0 as ill");
        Examples.AssertFault(await FaultOfAsync(source), FaultKind.Unreachable, "data.unreachable", "database 'postgres'");
    }

    [Theory]
    [InlineData("Host=h;Passwort=secret")]
    [InlineData("secret")]
    [InlineData("Host=h;Port=secret")]
    public async Task A_connection_string_that_is_none_is_refused_without_repeating_it(string text)
    {
        FedCoreException fault = await FaultOfAsync(new PostgresSource { ConnectionString = text, Query = "select 1" });
        Examples.AssertFault(fault, FaultKind.Configuration, "data.source", "data.connectionString", "Host=...");
        Assert.DoesNotContain("secret", fault.ToString(), StringComparison.Ordinal);
    }

    private string WithoutPassword() => $"Host={PostgresServer.Host};Port={server.Port};Database=postgres;Username={PostgresServer.User}";

    private async Task<PostgresSource> SourceAsync(string query, int timeoutSeconds = 60) =>
        new() { ConnectionString = await server.ConnectionStringAsync(Ct), Query = query, TimeoutSeconds = timeoutSeconds };

    private async Task<DataPool> LoadAsync(string query, DataContract? contract = null) =>
        await (await SourceAsync(query)).LoadAsync(_folder.AtSite(Runs.Plan(contract)), Ct);

    private async Task<FedCoreException> FaultOfAsync(PostgresSource source) =>
        await Assert.ThrowsAsync<FedCoreException>(() => source.LoadAsync(_folder.AtSite(Runs.Plan()), Ct).AsTask());

    private async Task RefusesAsync(string query, params string[] names) =>
        Examples.AssertFault(await FaultOfAsync(await SourceAsync(query)), FaultKind.Configuration, "data.query", names);

    private async Task ExecuteAsync(string statement)
    {
        await using NpgsqlDataSource source = NpgsqlDataSource.Create(await server.ConnectionStringAsync(Ct));
        await using NpgsqlCommand command = source.CreateCommand(statement);
        await command.ExecuteNonQueryAsync(Ct);
    }

    // The server notices a moment later that a client has gone.
    private async Task AssertNobodyWorksAsync()
    {
        await using NpgsqlDataSource source = NpgsqlDataSource.Create(await server.ConnectionStringAsync(Ct));
        await using NpgsqlCommand command = source.CreateCommand(
            "select count(*) from pg_stat_activity where application_name = 'fedcore' and state = 'active' and (query like '%pg_sleep(600)%' or query like '%generate_series%')");
        for (long start = Stopwatch.GetTimestamp(); (long)(await command.ExecuteScalarAsync(Ct))! > 0;)
            Assert.InRange(Stopwatch.GetElapsedTime(start).TotalSeconds, 0, 30);
    }
}
