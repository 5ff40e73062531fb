using FedCore.Aggregator.Journal;
using FedCore.Aggregator.Storage;
using FedCore.Naming;
using FedCore.Rounds;
using FedCore.Tests;

namespace FedCore.Aggregator.Tests.Journal;

public class RunJournalTests
{
    private static readonly RunEventJson Json = new(Registry.CreateDefault());

    private static readonly RunEvent[] Facts =
    [
        new RunOpened("sha256:0", "env"),
        new RoundOpened(1, new DateTimeOffset(2026, 1, 2, 3, 4, 5, 678, TimeSpan.Zero), [5, 7_000_000_000], 2),
        new ClientAsked(1, 9),
        new ReplyTaken(1, 0, ClientOutcome.Lost, "client.vanished"),
        new SetClosed(1, DateTimeOffset.UnixEpoch, "why \"ü\"\n"),
        new EvaluationEnded(new EvaluationReceipt { Round = 1, Contributors = 1, Metrics = new Dictionary<string, double> { ["loss"] = double.NaN }, BytesUp = 0, BytesDown = 0 }),
        new CheckpointSaved(1, "sha256:1"),
        new RunResumed(1),
        new RunEnded(RunEnded.Completed, "done"),
    ];

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Facts_read_back_as_they_were_written_each_run_for_itself()
    {
        using var folder = new TemporaryFolder();
        await using (EventLog log = Open(folder))
        {
            RunJournal journal = new(log, "run/1", Json), other = new(log, "run/2", Json);
            foreach (RunEvent fact in Facts)
            {
                await journal.AppendAsync(fact, Ct);
                await other.AppendAsync(Facts[0], Ct);
            }
        }

        await using EventLog again = Open(folder);
        RunEvent[] read = await new RunJournal(again, "run/1", Json).ReadAsync(Ct).ToArrayAsync(Ct);
        Assert.Equivalent(Facts, read, strict: true);
        Assert.Equal(
            ["runOpened", "roundOpened", "clientAsked", "replyTaken", "setClosed", "evaluationEnded", "checkpointSaved", "runResumed", "runEnded"],
            (await again.ReadAsync("run/1", 0, Ct).ToListAsync(Ct)).Select(e => e.Kind));
    }

    // A round of a thousand replies is a handful of commits, and nothing rests on a reply before it is kept.
    [Fact]
    public async Task Replies_wait_for_the_fact_that_rests_on_them()
    {
        using var folder = new TemporaryFolder();
        await using EventLog log = SqliteEventLog.Open(folder["journal.db"], new HandClock(), new Disk());
        var journal = new RunJournal(log, "run", Json);
        for (int position = 0; position < 1000; position++)
        {
            await journal.AppendAsync(new ClientAsked(1, position), Ct);
            await journal.AppendAsync(new ReplyTaken(1, position, ClientOutcome.Lost, "client.vanished"), Ct);
        }

        Assert.Equal(0, log.Commits);
        await journal.AppendAsync(new SetClosed(1, DateTimeOffset.UnixEpoch, "deadline"), Ct);
        Assert.Equal(1, log.Commits);
        foreach (RunEvent fact in Facts.Where(fact => fact is not (ReplyTaken or ClientAsked)))
        {
            long before = log.Commits;
            await journal.AppendAsync(fact, Ct);
            Assert.Equal(before + 1, log.Commits);
        }
    }

    [Theory]
    [InlineData("{\"fact\":\"runOp")]
    [InlineData("")]
    [InlineData("null")]
    [InlineData("{\"fact\":\"unknown\"}")]
    [InlineData("{\"round\":1}")]
    [InlineData("{\"fact\":\"runResumed\",\"round\":1,\"extra\":2}")]
    [InlineData("{\"fact\":\"roundEnded\"}")]
    public async Task An_event_that_is_no_fact_is_refused_with_its_place(string json)
    {
        using var folder = new TemporaryFolder();
        await using EventLog log = Open(folder);
        var journal = new RunJournal(log, "run", Json);
        await journal.AppendAsync(Facts[0], Ct);
        await log.AppendAsync("run", "odd", json, Durability.Now, Ct);
        FedCoreException fault = await Assert.ThrowsAsync<FedCoreException>(async () => await journal.ReadAsync(Ct).ToArrayAsync(Ct));
        Assert.Equal("run.journal", fault.Code);
        Assert.Contains("event 2 (odd)", fault.Message, StringComparison.Ordinal);
    }

    private static SqliteEventLog Open(TemporaryFolder folder) => SqliteEventLog.Open(folder["journal.db"], TimeProvider.System, new Disk());
}
