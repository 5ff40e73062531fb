using FedCore.Aggregator.Journal;
using Npgsql;

namespace FedCore.Aggregator.Tests.Journal;

public sealed class PostgresEventLogTests(PostgresServer server) : EventLogTests, IClassFixture<PostgresServer>
{
    private readonly string _schema = server.NewSchema();

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private PostgresPlace Place => new(server.Connection, _schema) { GiveUpAfter = TimeSpan.FromSeconds(20) };

    protected override string[] ChildArgs => ["postgres", server.Connection, _schema];

    // Whoever writes is thrown out again and again; the log takes its session up anew and nothing is lost, doubled or out of order.
    [Fact]
    public async Task Sessions_that_are_terminated_in_the_middle_of_appends_lose_and_double_nothing()
    {
        await using EventLog log = await OpenAsync();
        using var stop = new CancellationTokenSource();
        Task<int> terminating = Task.Run(
            async () =>
            {
                int terminated = 0;
                long seen = 0;
                await using NpgsqlConnection admin = await Place.ConnectAsync(Ct);
                for (; !stop.IsCancellationRequested; await Task.Delay(1, Ct))
                {
                    // Each session gets something done before it goes, so that the log gets on however slow the machine is.
                    if (log.Commits == seen) continue;
                    seen = log.Commits;
                    await using var command = new NpgsqlCommand(
                        "SELECT count(pg_terminate_backend(pid)) FROM pg_locks WHERE locktype = 'advisory' AND granted AND pid <> pg_backend_pid()", admin);
                    terminated += (int)(long)(await command.ExecuteScalarAsync(Ct))!;
                }

                return terminated;
            },
            Ct);
        await Task.WhenAll(Enumerable.Range(0, 8).Select(async stream =>
        {
            for (int i = 1; i <= 400; i++) await log.AppendAsync($"s{stream}", "k", $"{i}", i % 4 == 0 ? Durability.Now : Durability.Ordered, Ct);
        }));
        await stop.CancelAsync();
        Assert.True(await terminating > 3, "No session was terminated.");
        for (int stream = 0; stream < 8; stream++)
            Assert.Equal(Enumerable.Range(1, 400).Select(i => $"{i}"), (await ReadAsync(log, $"s{stream}")).Select(e => e.Json));
    }

    [Fact]
    public async Task A_batch_whose_answer_was_lost_is_looked_for_and_not_written_twice()
    {
        _ = server.Connection;
        using var proxy = new LossyProxy(server.Port);
        await using EventLog log = await PostgresEventLog.OpenAsync(Place with { ConnectionString = PostgresServer.ConnectionAt(proxy.Port) }, TimeProvider.System, Ct);
        for (int i = 1; i <= 10; i++)
        {
            // The first append of a stream asks for its last sequence before.
            await log.AppendAsync("a", "k", $"{i}", Durability.Now, Ct);
            proxy.SwallowNextAnswer();
        }

        await log.AppendAsync("a", "k", "11", Durability.Now, Ct);
        Assert.Equal(10, proxy.Swallowed);
        Assert.Equal(11, await CountAsync());
        Assert.Equal(11, log.Commits);
        Assert.Equal(Enumerable.Range(1, 11).Select(i => $"{i}"), (await ReadAsync(log, "a")).Select(e => e.Json));
    }

    [Fact]
    public async Task A_server_that_stays_away_fails_what_waits_and_one_that_is_back_is_written_to_after_a_reading()
    {
        await using EventLog log = await PostgresEventLog.OpenAsync(Place with { GiveUpAfter = TimeSpan.FromMilliseconds(300) }, TimeProvider.System, Ct);
        await log.AppendAsync("a", "k", "1", Durability.Now, Ct);
        await server.StopAsync();
        try
        {
            Assert.Equal(EventLog.Lost, await CodeOfAppendAsync(log, "a", "lost"));
            Assert.Equal(EventLog.Broken, await CodeOfAppendAsync(log, "a", "broken"));
            Assert.Equal(EventLog.Lost, (await Assert.ThrowsAsync<FedCoreException>(() => ReadAsync(log, "a"))).Code);
        }
        finally
        {
            await server.StartAsync();
        }

        Assert.Equal(EventLog.Broken, await CodeOfAppendAsync(log, "a", "the reading that failed mends nothing"));
        Assert.Equal(["1"], (await ReadAsync(log, "a")).Select(e => e.Json));
        await log.AppendAsync("a", "k", "2", Durability.Now, Ct);
    }

    [Fact]
    public async Task A_restart_of_the_server_within_the_time_goes_unnoticed()
    {
        await using EventLog log = await OpenAsync();
        await log.AppendAsync("a", "k", "1", Durability.Now, Ct);
        await server.StopAsync();
        Task append = log.AppendAsync("a", "k", "2", Durability.Now, Ct).AsTask();
        await server.StartAsync();
        await append;
        Assert.Equal(2, (await ReadAsync(log, "a")).Count);
    }

    // Without the lock that its lost session held, an aggregator writes nothing.
    [Fact]
    public async Task An_aggregator_that_lost_its_session_to_another_one_writes_nothing()
    {
        await using EventLog first = await PostgresEventLog.OpenAsync(Place with { GiveUpAfter = TimeSpan.FromMilliseconds(300) }, TimeProvider.System, Ct);
        await first.AppendAsync("a", "k", "1", Durability.Now, Ct);
        await ExecuteAsync("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted AND pid <> pg_backend_pid()");
        await using (EventLog second = await OpenAsync())
        {
            FedCoreException fault = await Assert.ThrowsAsync<FedCoreException>(async () => await first.AppendAsync("a", "k", "first's", Durability.Now, Ct));
            Assert.Equal("journal.in-use", Assert.IsType<FedCoreException>(fault.InnerException).Code);
            await second.AppendAsync("a", "k", "second's", Durability.Now, Ct);
        }

        Assert.Equal(["1", "second's"], (await ReadAsync(first, "a")).Select(e => e.Json));
        await first.AppendAsync("a", "k", "3", Durability.Now, Ct);
    }

    [Fact]
    public async Task A_server_that_cannot_be_reached_is_named_without_the_password()
    {
        _ = server.Connection;
        var place = new PostgresPlace("Host=127.0.0.1;Port=1;Username=u;Password=secret;Database=d");
        FedCoreException fault = await Assert.ThrowsAsync<FedCoreException>(() => PostgresEventLog.OpenAsync(place, TimeProvider.System, Ct));
        Assert.Equal((FaultKind.Unreachable, "journal.unreachable"), (fault.Kind, fault.Code));
        Assert.Contains("127.0.0.1:1/d", fault.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", fault.ToString(), StringComparison.Ordinal);
    }

    private protected override async Task<EventLog> OpenAsync(TimeProvider? clock = null) => await PostgresEventLog.OpenAsync(Place, clock ?? TimeProvider.System, Ct);

    protected override async Task<long> CountAsync()
    {
        await using NpgsqlConnection connection = await Place.ConnectAsync(Ct);
        await using var command = new NpgsqlCommand($"SELECT count(*) FROM {Place.Events}", connection);
        return (long)(await command.ExecuteScalarAsync(Ct))!;
    }

    protected override async Task ExecuteAsync(string sql)
    {
        await using NpgsqlConnection connection = await Place.ConnectAsync(Ct);
        await using var command = new NpgsqlCommand($"SET search_path = {Place.QuotedSchema}; {sql}", connection);
        await command.ExecuteNonQueryAsync(Ct);
    }

    protected override Task MakeNewerAsync() => ExecuteAsync("UPDATE version SET number = 7");
}
