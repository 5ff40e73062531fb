using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text.Json;
using FedCore.Hosting.Storage;
using FedCore.Privacy;
using FedCore.Privacy.Accounting.Events;
using FedCore.Privacy.Accounting.Pld;
using FedCore.Privacy.Ledgers;

namespace FedCore.IntegrationTests;

/// <summary>Privacy budgets of four hospitals and their aggregator, and what their ledgers say when one of them is killed with SIGKILL between the reservation and what was reserved for.</summary>
public class PrivacyTests(Hospitals hospitals) : HospitalTests, IClassFixture<Hospitals>
{
    /// <summary>The kind of event behind which an aggregator is killed here.</summary>
    internal const string Reserved = "privacyReserved";

    private static readonly string[] Central = [.. Hospitals.InTheClear, .. Policy("central")];
    private static readonly string[] Distributed = Policy("distributed");

    // By Renyi divergences at delta 1e-5, z = 1 costs 4.73 in one round, 7.08 in two, 9.01 in three and 10.73 in four.
    [Fact]
    public async Task A_run_stops_at_the_round_before_its_budget_and_both_ledgers_say_the_same()
    {
        await hospitals.StartAsync();
        await hospitals.FedcoreAsync(Hospitals.Create("budget", [.. Distributed, "--set", "rounds.count=20", "--set", "privacy.epsilon=10", "--set", "privacy.stopWhenSpent=true"]));
        await hospitals.FedcoreAsync("run", "watch", "budget", "--json");
        JsonElement[] receipts = await hospitals.ReceiptsAsync("budget");
        Assert.Equal(3, receipts.Length);
        Assert.All(receipts, receipt => Assert.Equal(4, receipt.GetProperty("contributors").GetInt32()));
        JsonElement spent = receipts[^1].GetProperty("privacy").GetProperty("spent").EnumerateArray().Single(spent => spent.GetProperty("adversary").GetString() == "aggregator");
        Assert.InRange(spent.GetProperty("epsilon").GetDouble(), 9, 10);
        Assert.DoesNotContain("protect nobody", spent.GetProperty("restsOn").GetString(), StringComparison.Ordinal);
        Assert.Equal(3, Uses(hospitals.AggregatorFolder, "budget"));
        Assert.Equal(3, Uses(hospitals.FolderOf(Hospitals.Far), "budget"));
        JsonElement ledger = JsonDocument.Parse(await hospitals.FedcoreAsync("privacy", "ledger", "verify", hospitals.FolderOf(Hospitals.Far), "--json")).RootElement;
        Assert.True(ledger.GetProperty("whole").GetBoolean());
    }

    // The run has no budget of its own; whatever is asked for, the hospital counts for itself.
    [Fact]
    public async Task A_hospital_takes_part_in_no_round_past_its_own_budget()
    {
        await hospitals.StartAsync();
        hospitals.StartSite(Hospitals.Far, "privacy.maxEpsilonAgainstAggregator=8", "privacy.source=strict", "privacy.publicEvaluation=true");
        await hospitals.Site(Hospitals.Far).WaitForAsync("Joined ");
        await hospitals.FedcoreAsync(Hospitals.Create("lavish", [.. Distributed, "--set", "rounds.count=4", "--set", "rounds.minimumReports=3"]));
        await hospitals.FedcoreAsync("run", "watch", "lavish", "--json");
        string[] reasons = [.. (await hospitals.ReceiptsAsync("lavish")).Select(receipt => receipt.GetProperty("clients").EnumerateArray().Single(client => client.GetProperty("client").GetString() == Hospitals.Far).GetProperty("reason").GetString() ?? "")];
        Assert.Equal(["", "", "privacy.budget", "privacy.budget"], reasons);
        hospitals.StartSite(Hospitals.Far);
    }

    // Four steps of batches of a quarter at z = 2 cost 1.37, eight cost 1.83. Records that lack a value count as none.
    [Fact]
    public async Task Hospitals_hide_their_examples_by_themselves_each_within_a_budget_of_its_own()
    {
        const string Run = "examples";
        await hospitals.StartAsync();
        hospitals.StartSite(Hospitals.Far, "privacy.maxEpsilonAgainstAggregator=1.5", "privacy.source=patients", "privacy.publicEvaluation=true");
        await hospitals.Site(Hospitals.Far).WaitForAsync("Joined ");
        await hospitals.FedcoreAsync(Hospitals.Create(
            Run,
            [
                .. Hospitals.InTheClear, "--set", """privacy={"unit":"example","clip":1,"noiseMultiplier":2,"samplingRate":0.25,"delta":1e-5,"publicEvaluation":true}""",
                "--set", "data.standardize=false", "--set", "data.missing=refuse", "--set", "training.batchSize=32", "--set", "training.epochs=null", "--set", "training.steps=4", "--set", "rounds.count=2", "--set", "rounds.minimumReports=3",
            ]));
        await hospitals.FedcoreAsync("run", "watch", Run, "--json");
        JsonElement[] receipts = await hospitals.ReceiptsAsync(Run);
        Assert.Equal([true, true], receipts.Select(receipt => receipt.GetProperty("committed").GetBoolean()));
        Assert.Equal("privacy.budget", receipts[1].GetProperty("clients").EnumerateArray().Single(client => client.GetProperty("client").GetString() == Hospitals.Far).GetProperty("reason").GetString());
        var eight = new PldAccountant();
        eight.Record(new PoissonSampledEvent(0.25, new GaussianEvent(2)), 8);
        Assert.All(receipts[1].GetProperty("privacy").GetProperty("spent").EnumerateArray(), spent => Assert.Equal(eight.Epsilon(1e-5), spent.GetProperty("epsilon").GetDouble(), 1e-3));
        using LedgerFile ledger = LedgerFile.Open(Path.Combine(hospitals.FolderOf(Hospitals.Far), "privacy-ledger.jsonl"));
        LedgerEntry entry = Assert.Single(ledger.Entries, entry => entry.Run == Run);
        Assert.Equal((PrivacyUnit.Example, 4), (entry.Unit, Assert.IsType<RepeatedEvent>(entry.Event).Count));
        hospitals.StartSite(Hospitals.Far);
    }

    [Theory]
    [InlineData("central")]
    [InlineData("distributed")]
    public async Task Where_the_aggregator_is_killed_between_reservation_and_sum_it_has_spent_no_less_than_it_used(string mechanism)
    {
        string run = "reserved-" + mechanism;
        await hospitals.StartAsync(Reserved, "2");
        using (hospitals.Begin(Hospitals.Create(run, [.. mechanism == "central" ? Central : Distributed, "--set", "rounds.count=3"]))) await hospitals.DeathAsync();
        Assert.Equal(2, Uses(hospitals.AggregatorFolder, run));
        await hospitals.StartAsync();
        await hospitals.FedcoreAsync("run", "watch", run, "--json");
        JsonElement[] receipts = await hospitals.ReceiptsAsync(run);
        Assert.Equal([true, true, true], receipts.Select(receipt => receipt.GetProperty("committed").GetBoolean()));

        // The second round's noise was reserved twice: nobody knows what became of the first.
        Assert.Equal(4, Uses(hospitals.AggregatorFolder, run));
        JsonElement recipients = receipts[^1].GetProperty("privacy").GetProperty("spent")[0], first = receipts[0].GetProperty("privacy").GetProperty("spent")[0];
        Assert.InRange(recipients.GetProperty("epsilon").GetDouble(), 2 * first.GetProperty("epsilon").GetDouble(), 12);
    }

    // The tree's key outlasts the process, and with it the tree: nothing of the round was shown, and what was reserved for the whole tree is enough. Without the key a new tree begins, of two rounds.
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Where_the_aggregator_is_killed_its_tree_of_noise_goes_on_as_long_as_its_key_is_there(bool keepsKey)
    {
        string run = $"reserved-tree-{keepsKey}".ToLowerInvariant();
        await hospitals.StartAsync(Reserved, "2");
        using (hospitals.Begin(Hospitals.Create(run, [.. Hospitals.InTheClear, .. Policy("tree"), "--set", "rounds.count=3"]))) await hospitals.DeathAsync();
        Assert.Equal(1, Uses(hospitals.AggregatorFolder, run));
        if (!keepsKey) File.Delete(Path.Combine(hospitals.AggregatorFolder, "noise.key"));
        await hospitals.StartAsync();
        await hospitals.FedcoreAsync("run", "watch", run, "--json");
        JsonElement[] receipts = await hospitals.ReceiptsAsync(run);
        Assert.Equal([true, true, true], receipts.Select(receipt => receipt.GetProperty("committed").GetBoolean()));
        Assert.Equal(keepsKey ? 1 : 2, Uses(hospitals.AggregatorFolder, run));
        if (!keepsKey) return;
        var all = new PldAccountant();
        all.Record(new TreeAggregationEvent(1, 3, 3));
        Assert.Equal(all.Epsilon(1e-5), receipts[^1].GetProperty("privacy").GetProperty("spent")[0].GetProperty("epsilon").GetDouble(), 1e-3);
    }

    // With the noise that was there before, both models would show who was in one and not in the other. The second round's sum has a node of its own, and no noise of the first's is left in it: 31
    // numbers with noise of 1 over four, of which each model has another.
    [Fact]
    public async Task An_aggregator_that_was_put_back_from_a_copy_draws_other_noise_for_the_rounds_it_repeats()
    {
        const string Run = "restored-tree";
        await hospitals.StartAsync("roundEnded", "1");
        using (hospitals.Begin(Hospitals.Create(Run, [.. Hospitals.InTheClear, .. Policy("tree"), "--set", "rounds.count=2"]))) await hospitals.DeathAsync();
        string folder = Path.GetFullPath(hospitals.AggregatorFolder);
        Copy(folder, folder + "-copy");
        float[] first = await FinishAsync();
        hospitals.Aggregator.Kill();
        await hospitals.DeathAsync();
        Directory.Move(folder, folder + "-first");
        Directory.Move(folder + "-copy", folder);
        float[] second = await FinishAsync();
        double expected = Math.Sqrt(2.0 * first.Length) / 4, found = Math.Sqrt(first.Zip(second, (a, b) => (a - b) * (a - b)).Sum());
        Assert.InRange(found, 0.5 * expected, 1.5 * expected);

        async Task<float[]> FinishAsync()
        {
            await hospitals.StartAsync();
            await hospitals.FedcoreAsync("run", "watch", Run, "--json");
            string path = folder + ".safetensors";
            File.Delete(path);
            await hospitals.FedcoreAsync("model", "get", Run, "--out", path);
            byte[] bytes = await File.ReadAllBytesAsync(path, TestContext.Current.CancellationToken);
            return [.. MemoryMarshal.Cast<byte, float>(bytes.AsSpan(8 + (int)BinaryPrimitives.ReadInt64LittleEndian(bytes)))];
        }

        static void Copy(string from, string to)
        {
            Directory.CreateDirectory(to);
            foreach (string file in Directory.EnumerateFiles(from)) File.Copy(file, Path.Combine(to, Path.GetFileName(file)));
            foreach (string inner in Directory.EnumerateDirectories(from)) Copy(inner, Path.Combine(to, Path.GetFileName(inner)));
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Where_a_hospital_is_killed_between_reservation_and_work_it_has_spent_no_less_than_was_used(int entries)
    {
        string run = $"killed-{entries}";
        await hospitals.StartAsync();
        hospitals.StartSite(Hospitals.Far);
        await hospitals.Site(Hospitals.Far).WaitForAsync("Joined ");
        Task reserved = GrowsAsync(hospitals.FolderOf(Hospitals.Far), run, entries);
        await hospitals.FedcoreAsync(Hospitals.Create(run, [.. Distributed, "--set", "rounds.count=3", "--set", "rounds.minimumReports=3"]));
        await reserved;
        hospitals.Site(Hospitals.Far).Kill();
        hospitals.StartSite(Hospitals.Far);
        await hospitals.FedcoreAsync("run", "watch", run, "--json");
        JsonElement[] receipts = await hospitals.ReceiptsAsync(run);
        int used = receipts.Count(receipt => receipt.GetProperty("clients").EnumerateArray().Single(client => client.GetProperty("client").GetString() == Hospitals.Far).GetProperty("outcome").GetString() == "reported");
        Assert.InRange(used, 2, 3);
        Assert.InRange(Uses(hospitals.FolderOf(Hospitals.Far), run), used, 4);
        await hospitals.FedcoreAsync("privacy", "ledger", "verify", hospitals.FolderOf(Hospitals.Far));
    }

    [Fact]
    public async Task With_a_broken_ledger_a_hospital_takes_part_in_nothing_and_says_why()
    {
        await hospitals.StartAsync();
        string path = Path.Combine(hospitals.FolderOf(Hospitals.Far), "broken.jsonl");
        await File.WriteAllTextAsync(path, "{\"number\":1}\n", TestContext.Current.CancellationToken);
        Child site = hospitals.StartSite(Hospitals.Far, $"privacy.ledger={path}");
        Assert.Equal(3, await site.EndAsync());
        Assert.Contains("is broken: entry 1", site.Errors, StringComparison.Ordinal);
        hospitals.StartSite(Hospitals.Far);
    }

    private static string[] Policy(string mechanism) =>
    [
        "--set", $$"""privacy={"clip":1,"noiseMultiplier":1,"delta":1e-5,"publicEvaluation":true,"mechanism":"{{mechanism}}"}""", "--set", "training.weightBy=uniform",
    ];

    // How often a run has used the data, as a ledger in a folder says.
    private static long Uses(string folder, string run)
    {
        using LedgerFile ledger = LedgerFile.Open(Path.Combine(folder, "privacy-ledger.jsonl"));
        return LedgerBalance.Of(ledger.Entries.Where(entry => entry.Run == run), "data", PrivacyUnit.Client).Uses;
    }

    // Ends when a ledger has so many entries of a run.
    private static async Task GrowsAsync(string folder, string run, int entries)
    {
        using var watcher = new FileSystemWatcher(folder, "privacy-ledger.jsonl*") { NotifyFilter = NotifyFilters.Size | NotifyFilters.FileName | NotifyFilters.LastWrite };
        using var changed = new SemaphoreSlim(1);
        watcher.Changed += (_, _) => changed.Release();
        watcher.Created += (_, _) => changed.Release();
        watcher.Renamed += (_, _) => changed.Release();
        watcher.EnableRaisingEvents = true;
        string file = Path.Combine(folder, "privacy-ledger.jsonl");
        int Count() => File.Exists(file) ? File.ReadAllText(file).Split($"\"run\":\"{run}\"").Length - 1 : 0;
        while (Count() < entries) Assert.True(await changed.WaitAsync(TimeSpan.FromMinutes(2), TestContext.Current.CancellationToken));
    }
}
