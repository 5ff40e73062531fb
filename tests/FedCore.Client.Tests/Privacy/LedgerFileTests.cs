using FedCore.Hosting.Storage;
using FedCore.Privacy;
using FedCore.Privacy.Accounting;
using FedCore.Privacy.Accounting.Events;
using FedCore.Privacy.Ledgers;
using FedCore.Tests;

namespace FedCore.Client.Tests.Privacy;

public sealed class LedgerFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private string PathOf => _folder["ledger.jsonl"];

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task What_was_appended_is_there_when_the_ledger_is_opened_again()
    {
        using (LedgerFile ledger = LedgerFile.Open(PathOf))
        {
            await AppendAsync(ledger, "a");
            await AppendAsync(ledger, "b");
        }

        using LedgerFile again = LedgerFile.Open(PathOf);
        Assert.Equal(["a", "b"], again.Entries.Select(entry => entry.Use));
        Assert.Equal([1, 2], again.Entries.Select(entry => entry.Number));
        await AppendAsync(again, "c");
        Assert.Equal(3, LedgerFile.Open(PathOf).Entries.Count);
    }

    [Fact]
    public async Task What_is_refused_leaves_no_trace()
    {
        using LedgerFile ledger = LedgerFile.Open(PathOf);
        await AppendAsync(ledger, "a");
        await Assert.ThrowsAsync<FedCoreException>(() => ledger.AppendAsync(_ => throw FedCoreException.Configuration("privacy.budget", "No."), TestContext.Current.CancellationToken));
        Assert.Single(LedgerFile.Open(PathOf).Entries);
    }

    [Fact]
    public async Task What_another_process_wrote_within_the_same_tick_is_seen()
    {
        using LedgerFile ledger = LedgerFile.Open(PathOf), other = LedgerFile.Open(PathOf);
        await AppendAsync(ledger, "a");
        DateTime written = File.GetLastWriteTimeUtc(PathOf);
        await AppendAsync(other, "b");
        File.SetLastWriteTimeUtc(PathOf, written);
        await AppendAsync(ledger, "c");
        Assert.Equal(["a", "b", "c"], LedgerFile.Open(PathOf).Entries.Select(entry => entry.Use));
    }

    // The power fails in the middle of a write: nothing that depends on the entry has begun.
    [Fact]
    public async Task An_entry_that_was_not_finished_is_none()
    {
        using (LedgerFile ledger = LedgerFile.Open(PathOf)) await AppendAsync(ledger, "a");
        await File.AppendAllTextAsync(PathOf, "{\"number\":2,\"at\":", TestContext.Current.CancellationToken);
        using LedgerFile again = LedgerFile.Open(PathOf);
        Assert.Single(again.Entries);
        await AppendAsync(again, "b");
        Assert.Equal(["a", "b"], LedgerFile.Open(PathOf).Entries.Select(entry => entry.Use));
    }

    [Fact]
    public async Task A_head_that_is_behind_by_an_entry_is_as_good()
    {
        using LedgerFile ledger = LedgerFile.Open(PathOf);
        await AppendAsync(ledger, "a");
        byte[] head = await File.ReadAllBytesAsync(PathOf + ".head", TestContext.Current.CancellationToken);
        await AppendAsync(ledger, "b");
        await File.WriteAllBytesAsync(PathOf + ".head", head, TestContext.Current.CancellationToken);
        Assert.Equal(2, LedgerFile.Open(PathOf).Entries.Count);
    }

    [Theory]
    [InlineData("the last entry is cut off")]
    [InlineData("an entry is changed")]
    [InlineData("an entry is left out")]
    [InlineData("the file is gone")]
    [InlineData("the head is damaged")]
    [InlineData("it is written anew")]
    public async Task A_ledger_that_was_tampered_with_is_broken(string how)
    {
        CancellationToken ct = TestContext.Current.CancellationToken;
        using LedgerFile ledger = LedgerFile.Open(PathOf);
        foreach (string use in (string[])["a", "b", "c"]) await AppendAsync(ledger, use);
        string[] lines = await File.ReadAllLinesAsync(PathOf, ct);
        switch (how)
        {
            case "the last entry is cut off":
                await File.WriteAllTextAsync(PathOf, lines[0] + "\n" + lines[1] + "\n", ct);
                break;
            case "an entry is changed":
                await File.WriteAllTextAsync(PathOf, string.Join('\n', lines).Replace("\"use\":\"b\"", "\"use\":\"x\"", StringComparison.Ordinal) + "\n", ct);
                break;
            case "an entry is left out":
                await File.WriteAllTextAsync(PathOf, lines[0] + "\n" + lines[2] + "\n", ct);
                break;
            case "the file is gone":
                File.Delete(PathOf);
                break;
            case "the head is damaged":
                await File.WriteAllTextAsync(PathOf + ".head", "3 nonsense", ct);
                break;
            default:
                string head = await File.ReadAllTextAsync(PathOf + ".head", ct);
                File.Delete(PathOf);
                File.Delete(PathOf + ".head");
                using (LedgerFile other = LedgerFile.Open(PathOf))
                    foreach (string use in (string[])["x", "y", "z", "u"]) await AppendAsync(other, use);
                await File.WriteAllTextAsync(PathOf + ".head", head, ct);
                break;
        }

        Assert.Equal("privacy.ledger", Assert.Throws<FedCoreException>(() => LedgerFile.Open(PathOf)).Code);
        Assert.Equal("privacy.ledger", (await Assert.ThrowsAsync<FedCoreException>(() => AppendAsync(ledger, "d"))).Code);
    }

    [Fact]
    public async Task Two_that_share_a_ledger_never_spend_together_what_is_there_once()
    {
        using LedgerFile one = LedgerFile.Open(PathOf), two = LedgerFile.Open(PathOf);
        const int Budget = 20;
        async Task<int> SpendAsync(LedgerFile ledger, string name)
        {
            int spent = 0;
            for (int i = 0; i < Budget; i++)
            {
                int attempt = i;
                IReadOnlyList<LedgerEntry> added = await ledger.AppendAsync(entries => entries.Count < Budget ? [Entry($"{name}{attempt}")] : [], TestContext.Current.CancellationToken);
                spent += added.Count;
            }

            return spent;
        }

        int[] spent = await Task.WhenAll(Task.Run(() => SpendAsync(one, "a")), Task.Run(() => SpendAsync(two, "b")));
        Assert.Equal(Budget, spent.Sum());
        Assert.Equal(Budget, LedgerFile.Open(PathOf).Entries.Count);
    }

    [Fact]
    public async Task It_is_for_its_owner_alone()
    {
        using LedgerFile ledger = LedgerFile.Open(PathOf);
        await AppendAsync(ledger, "a");
        if (!OperatingSystem.IsWindows()) Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(PathOf));
    }

    private static Task<IReadOnlyList<LedgerEntry>> AppendAsync(LedgerFile ledger, string use) => ledger.AppendAsync(_ => [Entry(use)], TestContext.Current.CancellationToken);

    private static LedgerEntry Entry(string use) => new()
    {
        At = DateTimeOffset.UnixEpoch,
        Kind = LedgerEntryKind.Reserved,
        Run = "run",
        Hash = "sha256:00",
        Round = 1,
        Use = use,
        Source = "data",
        Unit = PrivacyUnit.Client,
        Relation = NeighboringRelation.ZeroOut,
        Adversary = PrivacyAdversary.Aggregator,
        Event = new GaussianEvent(2),
    };
}
