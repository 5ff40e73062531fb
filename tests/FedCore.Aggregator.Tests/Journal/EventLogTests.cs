using System.Globalization;
using FedCore.Aggregator.Journal;
using FedCore.Tests;

namespace FedCore.Aggregator.Tests.Journal;

/// <summary>What every log keeps to, wherever its events lie.</summary>
public abstract class EventLogTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    /// <summary>Arguments that let the child process write to the test's log.</summary>
    protected abstract string[] ChildArgs { get; }

    /// <summary>The test's log, which is there as long as the test.</summary>
    private protected abstract Task<EventLog> OpenAsync(TimeProvider? clock = null);

    /// <summary>How many events are on the disk, as somebody sees who does not go through the log.</summary>
    protected abstract Task<long> CountAsync();

    /// <summary>Runs a statement beside the log; <c>events</c> and <c>streams</c> are its tables.</summary>
    protected abstract Task ExecuteAsync(string sql);

    /// <summary>Claims that a newer FedCore wrote the log.</summary>
    protected abstract Task MakeNewerAsync();

    [Fact]
    public async Task Events_read_back_with_their_sequence_time_and_kind_also_by_another_process()
    {
        var clock = new HandClock();
        await using (EventLog log = await OpenAsync(clock))
        {
            await log.AppendAsync("a", "opened", "{}", Durability.Now, Ct);
            clock.Move(TimeSpan.FromTicks(12_345_678));
            await log.AppendAsync("b", "opened", "[1]", Durability.Ordered, Ct);
            await log.AppendAsync("a", "closed", "{\"x\":1}", Durability.Ordered, Ct);
        }

        await using EventLog again = await OpenAsync(clock);
        var start = new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
        LoggedEvent[] expected = [new(1, start, "opened", "{}"), new(2, start.AddTicks(12_345_670), "closed", "{\"x\":1}")];
        Assert.Equal(expected, await ReadAsync(again, "a"));
        Assert.Equal([new LoggedEvent(1, start.AddTicks(12_345_670), "opened", "[1]")], await ReadAsync(again, "b"));
        await again.AppendAsync("a", "more", "", Durability.Now, Ct);
        Assert.Equal(3, (await ReadAsync(again, "a"))[^1].Sequence);
    }

    [Fact]
    public async Task A_stream_that_nobody_appended_to_is_empty()
    {
        await using EventLog log = await OpenAsync();
        Assert.Empty(await ReadAsync(log, "nothing"));
        Assert.Empty(await log.ListAsync("", Ct));
    }

    [Fact]
    public async Task An_append_that_is_kept_now_takes_along_what_was_appended_before_it_to_any_stream()
    {
        await using EventLog log = await OpenAsync(new HandClock());
        await log.AppendAsync("a", "k", "1", Durability.Ordered, Ct);
        await log.AppendAsync("b", "k", "2", Durability.Ordered, Ct);
        Assert.Equal(0, await CountAsync());
        await log.AppendAsync("c", "k", "3", Durability.Now, Ct);
        Assert.Equal(3, await CountAsync());
        Assert.Equal(1, log.Commits);
    }

    [Fact]
    public async Task Ordered_events_are_kept_when_their_interval_has_passed()
    {
        var clock = new HandClock();
        await using EventLog log = await OpenAsync(clock);
        for (int i = 1; i <= 3; i++)
        {
            await log.AppendAsync("a", "k", "1", Durability.Ordered, Ct);
            clock.Move(EventLog.Interval - TimeSpan.FromMilliseconds(1));
            await log.AppendAsync("a", "k", "2", Durability.Ordered, Ct);
            Assert.Equal(i - 1, log.Commits);
            clock.Move(TimeSpan.FromMilliseconds(1));
            while (log.Commits < i) await Task.Delay(1, Ct);
            Assert.Equal(2 * i, await CountAsync());
        }
    }

    // The clock stands still: it is the full queue that lets the writer write.
    [Fact]
    public async Task More_ordered_events_than_the_queue_holds_do_not_wait_for_the_clock()
    {
        await using EventLog log = await OpenAsync(new HandClock());
        for (int i = 0; i < 30_000; i++) await log.AppendAsync("a", "k", "", Durability.Ordered, Ct);
        Assert.Equal(30_000, (await ReadAsync(log, "a")).Count);
        Assert.InRange(log.Commits, 1, 20);
    }

    [Fact]
    public async Task What_is_queued_is_kept_when_the_log_closes_and_nothing_is_taken_later()
    {
        EventLog log = await OpenAsync(new HandClock());
        await log.AppendAsync("a", "k", "1", Durability.Ordered, Ct);
        await log.DisposeAsync();
        await log.DisposeAsync();
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await log.AppendAsync("a", "k", "2", Durability.Ordered, Ct));
        await using EventLog again = await OpenAsync();
        Assert.Equal(["1"], (await ReadAsync(again, "a")).Select(e => e.Json));
    }

    [Fact]
    public async Task Ten_thousand_events_of_eight_streams_at_once_keep_each_streams_order_in_few_commits()
    {
        await using EventLog log = await OpenAsync();
        await Task.WhenAll(Enumerable.Range(0, 8).Select(stream => Task.Run(
            async () =>
            {
                for (int i = 1; i <= 1250; i++) await log.AppendAsync($"s{stream}", "k", $"{i}", i % 50 == 0 ? Durability.Now : Durability.Ordered, Ct);
            },
            Ct)));
        long commits = log.Commits;
        for (int stream = 0; stream < 8; stream++)
        {
            IReadOnlyList<LoggedEvent> events = await ReadAsync(log, $"s{stream}");
            Assert.Equal(Enumerable.Range(1, 1250).Select(i => ((long)i, $"{i}")), events.Select(e => (e.Sequence, e.Json)));
        }

        // Each stream waits 25 times for a commit; the interval may bring some of its own.
        Assert.InRange(commits, 25, 400);
    }

    public static TheoryData<string> OddTexts =>
    [
        "'; DROP TABLE events; --", "\"", "a\\b", "%_*?[", "line\nbreak\r\t", " ", "ü\u00DF\u0130", "\U0001F600 \u4E2D", "e\u0301", "\uFFFF\uFFFD", "\u202Ertl", "\u0001\u001B[0m", string.Concat(Enumerable.Repeat("long ", 1000)),
    ];

    [Theory]
    [MemberData(nameof(OddTexts))]
    public async Task Odd_texts_come_back_as_they_were(string text)
    {
        await using EventLog log = await OpenAsync();
        string stream = text.Length > 1000 ? text[..1000] : text;
        await log.AppendAsync(stream, text, text, Durability.Now, Ct);
        await log.AppendAsync(stream + "2", "k", "", Durability.Now, Ct);
        LoggedEvent read = Assert.Single(await ReadAsync(log, stream));
        Assert.Equal((text, text), (read.Kind, read.Json));
        Assert.Equal([stream, stream + "2"], await log.ListAsync(stream, Ct));
    }

    [Fact]
    public async Task A_body_of_megabytes_comes_back_as_it_was()
    {
        await using EventLog log = await OpenAsync();
        string body = string.Concat(Enumerable.Range(0, 700_000).Select(i => i.ToString(CultureInfo.InvariantCulture)));
        await log.AppendAsync("a", "k", body, Durability.Now, Ct);
        Assert.Equal(body, Assert.Single(await ReadAsync(log, "a")).Json);
    }

    [Fact]
    public async Task Texts_that_no_database_keeps_are_refused()
    {
        await using EventLog log = await OpenAsync();
        foreach (string text in (string[])["a\0b", "\uD83D", "x\uDE00y", "\uD83D\uD83D\uDE00"]) await AssertRefusedAsync(log, text);
        Assert.Equal(0, await CountAsync());
    }

    [Fact]
    public async Task Streams_are_listed_by_the_exact_beginning_of_their_names()
    {
        await using EventLog log = await OpenAsync();
        string[] names = ["run/1", "run/10", "run/2", "Run/1", "run%", "run_", "runs", "r", "run/\U0001F600", "run/\uFFFF"];
        foreach (string name in names)
            for (int i = 0; i < 3; i++) await log.AppendAsync(name, "k", "", Durability.Ordered, Ct);

        // Code points, not UTF-16 units: the emoji stands last.
        Assert.Equal(["run/1", "run/10", "run/2", "run/\uFFFF", "run/\U0001F600"], await log.ListAsync("run/", Ct));
        Assert.Equal(["run%"], await log.ListAsync("run%", Ct));
        Assert.Equal(["run_"], await log.ListAsync("run_", Ct));
        Assert.Equal(names.Length, (await log.ListAsync("", Ct)).Count);
        Assert.Empty(await log.ListAsync("z", Ct));
    }

    [Fact]
    public async Task A_second_opener_is_refused_until_the_first_has_closed()
    {
        await using (EventLog first = await OpenAsync())
        {
            await first.AppendAsync("a", "k", "1", Durability.Now, Ct);
            Assert.Equal("journal.in-use", (await Assert.ThrowsAsync<FedCoreException>(() => OpenAsync())).Code);
            await first.AppendAsync("a", "k", "2", Durability.Now, Ct);
        }

        await using EventLog second = await OpenAsync();
        Assert.Equal(2, (await ReadAsync(second, "a")).Count);
    }

    [Fact]
    public async Task A_log_of_a_newer_schema_is_refused_with_both_numbers()
    {
        await (await OpenAsync()).DisposeAsync();
        await MakeNewerAsync();
        FedCoreException fault = await Assert.ThrowsAsync<FedCoreException>(() => OpenAsync());
        Assert.Equal("journal.version", fault.Code);
        Assert.Contains("its schema is 7; this one knows 1", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_gap_in_a_stream_is_not_read_over()
    {
        await using EventLog log = await OpenAsync();
        for (int i = 0; i < 3; i++) await log.AppendAsync("a", "k", "", Durability.Now, Ct);
        await ExecuteAsync("DELETE FROM events WHERE sequence = 2");
        Assert.Equal("journal.damaged", (await Assert.ThrowsAsync<FedCoreException>(() => ReadAsync(log, "a"))).Code);
    }

    [Fact]
    public async Task A_cancelled_append_leaves_nothing()
    {
        await using EventLog log = await OpenAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await log.AppendAsync("a", "k", "", Durability.Now, new CancellationToken(true)));
        Assert.Empty(await ReadAsync(log, "a"));
    }

    [Fact]
    public async Task After_a_commit_that_failed_a_stream_takes_nothing_until_it_has_been_read_to_its_end()
    {
        await using EventLog log = await OpenAsync(new HandClock());
        foreach (string stream in (string[])["a", "b", "c"]) await log.AppendAsync(stream, "k", "1", Durability.Now, Ct);
        await log.AppendAsync("a", "k", "2", Durability.Now, Ct);

        // An ordered event of a is lost with b's; c has nothing to do with it.
        await ExecuteAsync("ALTER TABLE events RENAME TO hidden");
        await log.AppendAsync("a", "k", "lost", Durability.Ordered, Ct);
        Assert.Equal(EventLog.Lost, await CodeOfAppendAsync(log, "b", "lost"));
        await ExecuteAsync("ALTER TABLE hidden RENAME TO events");
        Assert.Equal(EventLog.Broken, await CodeOfAppendAsync(log, "a", "past a lost fact"));
        Assert.Equal(EventLog.Broken, await CodeOfAppendAsync(log, "b", "past a lost fact"));
        await log.AppendAsync("c", "k", "2", Durability.Now, Ct);

        await foreach (LoggedEvent _ in log.ReadAsync("a", 0, Ct)) break;
        Assert.Equal(EventLog.Broken, await CodeOfAppendAsync(log, "a", "half read"));
        Assert.Equal(["1", "2"], (await ReadAsync(log, "a")).Select(e => e.Json));
        await log.AppendAsync("a", "k", "3", Durability.Now, Ct);
        Assert.Equal(["1", "2", "3"], (await ReadAsync(log, "a")).Select(e => e.Json));
        Assert.Equal(EventLog.Broken, await CodeOfAppendAsync(log, "b", "a was read, not b"));
        Assert.Equal(["1"], (await ReadAsync(log, "b")).Select(e => e.Json));
        await log.AppendAsync("b", "k", "2", Durability.Now, Ct);
    }

    // Several callers wait for one commit, and others come while it fails.
    [Fact]
    public async Task Every_append_that_waits_behind_a_failed_commit_fails_and_none_is_kept_past_a_lost_one()
    {
        await using EventLog log = await OpenAsync();
        await log.AppendAsync("s0", "k", "0", Durability.Now, Ct);
        await ExecuteAsync("ALTER TABLE events RENAME TO hidden");
        string[][] codes = await Task.WhenAll(Enumerable.Range(0, 8).Select(async stream =>
        {
            var seen = new List<string>();
            for (int i = 0; i < 20; i++) seen.Add(await CodeOfAppendAsync(log, $"s{stream}", $"{i}"));
            return seen.ToArray();
        }));
        await ExecuteAsync("ALTER TABLE hidden RENAME TO events");
        Assert.All(codes, seen => Assert.Equal([EventLog.Lost, .. Enumerable.Repeat(EventLog.Broken, 19)], seen));
        Assert.Equal(1, await CountAsync());
        Assert.Equal(1, log.Commits);
    }

    // A reader that began before the failure has not seen what it lost.
    [Fact]
    public async Task A_reading_that_began_before_the_failure_mends_nothing()
    {
        await using EventLog log = await OpenAsync();
        await log.AppendAsync("a", "k", "1", Durability.Now, Ct);
        await using IAsyncEnumerator<LoggedEvent> reading = log.ReadAsync("a", 0, Ct).GetAsyncEnumerator(Ct);
        Assert.True(await reading.MoveNextAsync());
        await ExecuteAsync("ALTER TABLE events RENAME TO hidden");
        Assert.Equal(EventLog.Lost, await CodeOfAppendAsync(log, "a", "lost"));
        await ExecuteAsync("ALTER TABLE hidden RENAME TO events");
        Assert.False(await reading.MoveNextAsync());
        Assert.Equal(EventLog.Broken, await CodeOfAppendAsync(log, "a", "not read since"));
    }

    [Fact]
    public async Task A_killed_process_has_kept_every_event_that_it_acknowledged_and_none_without_those_before_it()
    {
        await (await OpenAsync()).DisposeAsync();
        var acknowledged = new Dictionary<string, int>();
        for (int kill = 1; kill <= 3; kill++)
        {
            foreach (string line in await ChildProcess.KillAfterAsync(40 * kill, ChildArgs))
            {
                string[] words = line.Split(' ');
                acknowledged[words[0]] = int.Parse(words[1], CultureInfo.InvariantCulture);
            }

            await using EventLog log = await OpenAsync();
            foreach ((string stream, int last) in acknowledged)
            {
                // Each child counts from 1 again; the last one's count is the one that was said.
                IReadOnlyList<LoggedEvent> events = await ReadAsync(log, stream);
                int[] counts = [.. events.Select(e => int.Parse(e.Json, CultureInfo.InvariantCulture))];
                int begin = Array.LastIndexOf(counts, 1);
                Assert.Equal(Enumerable.Range(1, counts.Length - begin), counts[begin..]);
                Assert.True(counts.Length - begin >= last, $"{stream}: {last} was acknowledged, {counts.Length - begin} are kept.");
            }

            acknowledged.Clear();
        }
    }

    private static async Task AssertRefusedAsync(EventLog log, string text)
    {
        await Assert.ThrowsAsync<ArgumentException>(async () => await log.AppendAsync(text, "k", "", Durability.Now, Ct));
        await Assert.ThrowsAsync<ArgumentException>(async () => await log.AppendAsync("a", text, "", Durability.Now, Ct));
        await Assert.ThrowsAsync<ArgumentException>(async () => await log.AppendAsync("a", "k", text, Durability.Now, Ct));
    }

    private protected static async Task<string> CodeOfAppendAsync(EventLog log, string stream, string json) =>
        (await Assert.ThrowsAsync<FedCoreException>(async () => await log.AppendAsync(stream, "k", json, Durability.Now, Ct))).Code;

    [Fact]
    public async Task Reading_behind_an_event_gives_the_rest()
    {
        await using EventLog log = await OpenAsync();
        for (int i = 1; i <= 5; i++) await log.AppendAsync("a", "k", $"{i}", Durability.Ordered, Ct);
        Assert.Equal([4L, 5], (await log.ReadAsync("a", 3, Ct).ToListAsync(Ct)).Select(e => e.Sequence));
        Assert.Empty(await log.ReadAsync("a", 5, Ct).ToListAsync(Ct));
    }

    private protected static async Task<IReadOnlyList<LoggedEvent>> ReadAsync(EventLog log, string stream) => await log.ReadAsync(stream, 0, Ct).ToListAsync(Ct);
}
