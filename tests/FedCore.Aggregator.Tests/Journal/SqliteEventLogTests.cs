using FedCore.Aggregator.Journal;
using FedCore.Aggregator.Storage;
using FedCore.Tests;
using Microsoft.Data.Sqlite;

namespace FedCore.Aggregator.Tests.Journal;

public sealed class SqliteEventLogTests : EventLogTests, IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly Disk _disk = new();

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private string FilePath => _folder["facts/journal.db"];

    protected override string[] ChildArgs => ["sqlite", FilePath];

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_commit_costs_one_sync_and_sixteen_megabytes_cost_three_more()
    {
        await using EventLog log = await OpenAsync(new HandClock());
        await log.AppendAsync("a", "k", "", Durability.Now, Ct);
        long before = _disk.Syncs;
        for (int i = 0; i < 50; i++) await log.AppendAsync("a", "k", "", Durability.Now, Ct);
        Assert.Equal(50, _disk.Syncs - before);

        before = _disk.Syncs;
        for (int i = 0; i < 200; i++) await log.AppendAsync("a", "k", new('x', 100_000), Durability.Ordered, Ct);
        await log.AppendAsync("a", "k", "", Durability.Now, Ct);
        Assert.Equal(1 + 3, _disk.Syncs - before);
    }

    [Fact]
    public async Task The_write_ahead_log_is_begun_anew_beside_readers()
    {
        await using EventLog log = await OpenAsync();
        string body = new('x', 1_000_000);
        for (int i = 0; i < 10; i++) await log.AppendAsync("a", "k", body, Durability.Now, Ct);
        await using IAsyncEnumerator<LoggedEvent> slow = log.ReadAsync("a", 0, Ct).GetAsyncEnumerator(Ct);
        Assert.True(await slow.MoveNextAsync());
        for (int i = 0; i < 90; i++) await log.AppendAsync("a", "k", body, Durability.Now, Ct);
        Assert.InRange(new FileInfo(FilePath + "-wal").Length, 1, 25_000_000);
    }

    [Fact]
    public async Task Files_are_their_owners_alone()
    {
        await using EventLog log = await OpenAsync();
        await log.AppendAsync("a", "k", "", Durability.Now, Ct);
        Owners.AssertAlone(_folder["facts"]);
    }

    // FULL: a commit returns when it is on the disk. With less, a loss of power takes what was acknowledged, which no test of a process sees.
    [Fact]
    public async Task The_connection_that_writes_syncs_every_commit()
    {
        await (await OpenAsync()).DisposeAsync();
        using var writer = new SqliteWriter(FilePath, _disk);
        Assert.Equal((2L, "wal"), (writer.Setting("synchronous"), writer.Setting("journal_mode")));
    }

    [Fact]
    public void A_file_that_is_no_journal_is_refused_and_left_as_it_was()
    {
        Directory.CreateDirectory(_folder["facts"]);
        string text = string.Concat(Enumerable.Repeat("This is a letter. ", 100));
        File.WriteAllText(FilePath, text);
        Assert.Equal("journal.open", Assert.Throws<FedCoreException>(() => SqliteEventLog.Open(FilePath, TimeProvider.System, _disk)).Code);
        Assert.Equal(text, File.ReadAllText(FilePath));
    }

    // Whatever a loss of power has left of the write-ahead log, what is read is a beginning of what was written.
    [Fact]
    public async Task A_write_ahead_log_that_is_torn_anywhere_loses_only_its_end()
    {
        byte[] db, wal;
        await using (EventLog log = await OpenAsync())
        {
            for (int i = 1; i <= 30; i++) await log.AppendAsync("a", "k", $"{i}", Durability.Now, Ct);
            db = await ReadSharedAsync(FilePath);
            wal = await ReadSharedAsync(FilePath + "-wal");
        }

        int least = 30, most = 0;
        foreach ((int length, bool isZeroed) in Enumerable.Range(0, 40).SelectMany(i => new[] { (wal.Length * i / 40 + (i % 7), false), (wal.Length * i / 40 + (i % 7), true) }))
        {
            foreach (string file in Directory.GetFiles(_folder["facts"], "journal.db*")) File.Delete(file);
            byte[] torn = isZeroed ? [.. wal[..length], .. new byte[wal.Length - length]] : wal[..length];
            await File.WriteAllBytesAsync(FilePath, db, Ct);
            await File.WriteAllBytesAsync(FilePath + "-wal", torn, Ct);
            await using EventLog log = await OpenAsync();
            IReadOnlyList<LoggedEvent> events = await ReadAsync(log, "a");
            Assert.Equal(Enumerable.Range(1, events.Count).Select(i => $"{i}"), events.Select(e => e.Json));
            (least, most) = (Math.Min(least, events.Count), Math.Max(most, events.Count));
            await log.AppendAsync("a", "k", $"{events.Count + 1}", Durability.Now, Ct);
            Assert.Equal(events.Count + 1, (await ReadAsync(log, "a")).Count);
        }

        Assert.Equal(0, least);
        Assert.InRange(most, 20, 29);
    }

    [Fact]
    public async Task On_a_full_disk_appends_fail_and_go_on_when_there_is_room_again()
    {
        using SmallDisk small = SmallDisk.Mount(kilobytes: 2048);
        await using EventLog log = SqliteEventLog.Open(Path.Combine(small.Path, "journal.db"), TimeProvider.System, _disk);
        await log.AppendAsync("a", "k", "1", Durability.Now, Ct);
        string filler = small.Fill(exceptBytes: 64 * 1024);
        int kept = 1;
        string body = new('x', 10_000);
        string? code = null;
        while (code is null)
        {
            try
            {
                await log.AppendAsync("a", "k", body, Durability.Now, Ct);
                kept++;
            }
            catch (FedCoreException fault)
            {
                code = fault.Code;
                Assert.Contains("full", fault.Message, StringComparison.Ordinal);
            }

            Assert.InRange(kept, 1, 100);
        }

        Assert.Equal(EventLog.Lost, code);
        Assert.Equal(EventLog.Broken, await CodeOfAppendAsync(log, "a", "x"));
        File.Delete(filler);
        Assert.Equal(kept, (await ReadAsync(log, "a")).Count);
        await log.AppendAsync("a", "k", body, Durability.Now, Ct);
        Assert.Equal(kept + 1, (await ReadAsync(log, "a"))[^1].Sequence);
    }

    private protected override Task<EventLog> OpenAsync(TimeProvider? clock = null) =>
        Task.FromResult<EventLog>(SqliteEventLog.Open(FilePath, clock ?? TimeProvider.System, _disk));

    protected override async Task<long> CountAsync()
    {
        using SqliteConnection connection = SqliteWriter.Connect(FilePath);
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = "SELECT count(*) FROM events";
        return (long)(await command.ExecuteScalarAsync(Ct))!;
    }

    protected override async Task ExecuteAsync(string sql)
    {
        using SqliteConnection connection = SqliteWriter.Connect(FilePath);
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = sql;
        await command.ExecuteNonQueryAsync(Ct);
    }

    protected override Task MakeNewerAsync() => ExecuteAsync("PRAGMA user_version = 7");

    private static async Task<byte[]> ReadSharedAsync(string path)
    {
        using FileStream file = new(path, FileMode.Open, FileAccess.Read, Disk.Sharing);
        byte[] bytes = new byte[file.Length];
        await file.ReadExactlyAsync(bytes, Ct);
        return bytes;
    }
}
