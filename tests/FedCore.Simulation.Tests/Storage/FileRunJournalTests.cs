using FedCore.Rounds;
using FedCore.Simulation.Storage;
using FedCore.Tests;

namespace FedCore.Simulation.Tests.Storage;

public class FileRunJournalTests
{
    private static readonly RunEvent[] Facts =
    [
        new RunOpened("sha256:0", "env"),
        new RoundOpened(1, new DateTimeOffset(2026, 1, 2, 3, 4, 5, 678, TimeSpan.Zero), [5, 7_000_000_000], 2),
        new ReplyTaken(1, 0, ClientOutcome.Lost, "client.vanished"),
        new SetClosed(1, DateTimeOffset.UnixEpoch, "why \"ü\"\n"),
        new CheckpointSaved(1, "sha256:1"),
        new RunResumed(1),
        new RunEnded(RunEnded.Completed, "done"),
    ];

    [Fact]
    public async Task Facts_read_back_as_they_were_written()
    {
        using var folder = new TemporaryFolder();
        await WriteAsync(folder, Facts);
        Assert.Equivalent(Facts, await ReadAsync(folder), strict: true);
    }

    [Fact]
    public async Task A_metric_that_is_not_finite_reads_back()
    {
        using var folder = new TemporaryFolder();
        var receipt = new EvaluationReceipt
        {
            Round = 1,
            Contributors = 1,
            Metrics = new Dictionary<string, double> { ["loss"] = double.NaN, ["other"] = double.PositiveInfinity },
            BytesUp = 0,
            BytesDown = 0,
        };
        await WriteAsync(folder, new EvaluationEnded(receipt));
        Assert.Equal(receipt.Metrics, Assert.IsType<EvaluationEnded>(Assert.Single(await ReadAsync(folder))).Receipt.Metrics);
    }

    [Fact]
    public async Task A_last_line_that_was_cut_off_anywhere_is_dropped_and_writing_goes_on_behind_the_others()
    {
        using var folder = new TemporaryFolder();
        await WriteAsync(folder, Facts);
        byte[] file = await File.ReadAllBytesAsync(folder["j"], TestContext.Current.CancellationToken);
        int last = file.AsSpan(0, file.Length - 1).LastIndexOf((byte)'\n') + 1;
        for (int length = last; length < file.Length; length++)
        {
            await File.WriteAllBytesAsync(folder["j"], file[..length], TestContext.Current.CancellationToken);
            using (var journal = new FileRunJournal(folder["j"], SmallRun.Names))
            {
                await journal.ReadAsync(TestContext.Current.CancellationToken).ToArrayAsync(TestContext.Current.CancellationToken);
                await journal.AppendAsync(Facts[0], TestContext.Current.CancellationToken);
            }

            Assert.Equivalent(Facts[..^1].Append(Facts[0]), await ReadAsync(folder), strict: true);
        }
    }

    [Theory]
    [InlineData("{\"fact\":\"runOp")]
    [InlineData("")]
    [InlineData("null")]
    [InlineData("{\"fact\":\"unknown\"}")]
    [InlineData("{\"round\":1}")]
    [InlineData("{\"fact\":\"runResumed\",\"round\":1,\"extra\":2}")]
    [InlineData("{\"fact\":\"runResumed\",\"round\":\"1\"}")]
    [InlineData("{\"fact\":\"roundEnded\"}")]
    public async Task A_journal_that_is_damaged_in_the_middle_is_refused_with_the_line(string line)
    {
        using var folder = new TemporaryFolder();
        await WriteAsync(folder, Facts);
        string[] lines = await File.ReadAllLinesAsync(folder["j"], TestContext.Current.CancellationToken);
        lines[2] = line;
        await File.WriteAllLinesAsync(folder["j"], lines, TestContext.Current.CancellationToken);
        var fault = await Assert.ThrowsAsync<FedCoreException>(() => ReadAsync(folder));
        Assert.Equal("run.journal", fault.Code);
        Assert.Contains("line 3", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_empty_journal_has_no_facts()
    {
        using var folder = new TemporaryFolder();
        Assert.Empty(await ReadAsync(folder));
    }

    [Fact]
    public void A_journal_that_is_open_is_refused_to_others()
    {
        using var folder = new TemporaryFolder();
        using var first = new FileRunJournal(folder["j"], SmallRun.Names);
        Assert.Equal("run.journal", Assert.Throws<FedCoreException>(() => new FileRunJournal(folder["j"], SmallRun.Names)).Code);
    }

    [Fact]
    public void A_journal_that_was_closed_can_be_opened_again()
    {
        using var folder = new TemporaryFolder();
        new FileRunJournal(folder["j"], SmallRun.Names).Dispose();
        Assert.Null(Record.Exception(() => new FileRunJournal(folder["j"], SmallRun.Names).Dispose()));
    }

    private static async Task WriteAsync(TemporaryFolder folder, params RunEvent[] facts)
    {
        using var journal = new FileRunJournal(folder["j"], SmallRun.Names);
        foreach (RunEvent fact in facts) await journal.AppendAsync(fact, TestContext.Current.CancellationToken);
    }

    private static async Task<RunEvent[]> ReadAsync(TemporaryFolder folder)
    {
        using var journal = new FileRunJournal(folder["j"], SmallRun.Names);
        return await journal.ReadAsync(TestContext.Current.CancellationToken).ToArrayAsync(TestContext.Current.CancellationToken);
    }
}
