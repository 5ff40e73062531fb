using System.Security.Cryptography;
using FedCore.Rounds;
using FedCore.Simulation.Devices;
using FedCore.Simulation.Reporting;
using FedCore.Tests;
using FedCore.Training.Data;

namespace FedCore.Simulation.Tests.Reporting;

public class ResultFolderTests
{
    private static readonly string[] Results = ["metrics.jsonl", "model.safetensors", "receipts.jsonl", "report.html", "run.json"];

    private static readonly RunPlan Plan = SmallRun.Plan();

    // Hopeless: more reports are needed than a cohort has clients who answer.
    private static readonly RunPlan Failing = SmallRun.Plan(new RoundPolicy { Count = 50, MaxAbandonedInARow = 2 }, name: "failing");

    private static readonly DeviceProfile Absent = new() { Name = "absent", Availability = 0 };

    [Fact]
    public async Task A_completed_run_leaves_its_results_and_nothing_else()
    {
        using var folder = new TemporaryFolder();
        await RunAsync(folder, Plan);
        Assert.Equal(Results, Directory.EnumerateFileSystemEntries(folder.Path).Select(Path.GetFileName).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task The_run_file_has_the_hash_of_the_run()
    {
        using var folder = new TemporaryFolder();
        await RunAsync(folder, Plan);
        Assert.Equal(Plan.Hash, "sha256:" + Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(folder["run.json"]))));
    }

    [Fact]
    public async Task The_model_file_has_the_digest_that_is_announced()
    {
        using var folder = new TemporaryFolder();
        string announced = await RunAsync(folder, Plan);
        Assert.Equal(announced, "sha256:" + Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(folder["model.safetensors"]))));
    }

    [Fact]
    public async Task Earlier_results_stay_as_they_were_when_a_run_fails()
    {
        using var folder = new TemporaryFolder();
        await RunAsync(folder, Plan);
        Dictionary<string, string> before = Hashes(folder);
        await Assert.ThrowsAsync<FedCoreException>(() => RunAsync(folder, Failing, devices: Absent));
        Assert.Equal(before, Hashes(folder));
    }

    [Fact]
    public async Task Earlier_results_stay_as_they_were_when_a_run_is_interrupted()
    {
        using var folder = new TemporaryFolder();
        await RunAsync(folder, Plan);
        Dictionary<string, string> before = Hashes(folder);
        await InterruptAsync(folder);
        Assert.Equal(before, Hashes(folder));
    }

    [Fact]
    public async Task A_new_run_replaces_earlier_results()
    {
        using var folder = new TemporaryFolder();
        await RunAsync(folder, Plan);
        Dictionary<string, string> before = Hashes(folder);
        await RunAsync(folder, SmallRun.Plan(name: "other"));
        Assert.All(before, file => Assert.NotEqual(file.Value, Hashes(folder).GetValueOrDefault(file.Key, file.Value)));
    }

    [Fact]
    public async Task An_interrupted_run_is_not_overwritten_unasked()
    {
        using var folder = new TemporaryFolder();
        await InterruptAsync(folder);
        var fault = await Assert.ThrowsAsync<FedCoreException>(() => RunAsync(folder, Plan));
        Assert.Equal("run.out", fault.Code);
        Assert.Contains("--resume", fault.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(InterruptedRun.Resume)]
    [InlineData(InterruptedRun.Drop)]
    public async Task An_interrupted_run_ends_with_the_same_model_resumed_or_begun_again(InterruptedRun mode)
    {
        using TemporaryFolder whole = new(), folder = new();
        string expected = await RunAsync(whole, Plan);
        await InterruptAsync(folder);
        Assert.Equal(expected, await RunAsync(folder, Plan, mode));
        Assert.Equal(Results, Directory.EnumerateFileSystemEntries(folder.Path).Select(Path.GetFileName).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task A_run_begun_again_holds_all_its_rounds()
    {
        using var folder = new TemporaryFolder();
        await InterruptAsync(folder);
        var opened = new List<int>();
        await RunAsync(folder, Plan, InterruptedRun.Drop, onFact: fact =>
        {
            if (fact is RoundOpened round) opened.Add(round.Round);
        });
        Assert.Equal([1, 2, 3, 4], opened);
    }

    [Fact]
    public async Task A_resumed_run_holds_only_the_rounds_that_are_left()
    {
        using var folder = new TemporaryFolder();
        await InterruptAsync(folder);
        var opened = new List<int>();
        await RunAsync(folder, Plan, InterruptedRun.Resume, onFact: fact =>
        {
            if (fact is RoundOpened round) opened.Add(round.Round);
        });
        Assert.Equal([3, 4], opened);
    }

    [Fact]
    public async Task Where_nothing_was_interrupted_there_is_nothing_to_resume()
    {
        using var folder = new TemporaryFolder();
        await RunAsync(folder, Plan);
        Assert.Equal("run.out", (await Assert.ThrowsAsync<FedCoreException>(() => RunAsync(folder, Plan, InterruptedRun.Resume))).Code);
    }

    [Fact]
    public async Task Another_run_is_not_resumed()
    {
        using var folder = new TemporaryFolder();
        await InterruptAsync(folder);
        Assert.Equal("run.changed", (await Assert.ThrowsAsync<FedCoreException>(() => RunAsync(folder, SmallRun.Plan(name: "other"), InterruptedRun.Resume))).Code);
    }

    [Theory]
    [InlineData(InterruptedRun.Drop)]
    [InlineData(InterruptedRun.Resume)]
    public void A_run_that_still_goes_on_is_neither_resumed_nor_dropped(InterruptedRun mode)
    {
        using var folder = new TemporaryFolder();
        using ResultFolder open = Open(folder, Plan, InterruptedRun.Refuse);
        Assert.Equal("run.journal", Assert.Throws<FedCoreException>(() => Open(folder, Plan, mode)).Code);
        Assert.True(File.Exists(Path.Combine(folder.Path, ".run", "journal.jsonl")));
    }

    [Fact]
    public void A_folder_that_cannot_be_made_is_refused()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["file"], "");
        Assert.Equal("run.out", Assert.Throws<FedCoreException>(() => ResultFolder.Open(Path.Combine(folder["file"], "x"), Plan, InterruptedRun.Refuse, TimeSpan.Zero)).Code);
    }

    private static ResultFolder Open(TemporaryFolder folder, RunPlan plan, InterruptedRun mode) => ResultFolder.Open(folder.Path, plan, mode, TimeSpan.Zero);

    private static async Task<string> RunAsync(
        TemporaryFolder folder, RunPlan plan, InterruptedRun mode = InterruptedRun.Refuse, DeviceProfile? devices = null, Action<RunEvent>? onFact = null,
        CancellationToken? ct = null)
    {
        using ResultFolder results = Open(folder, plan, mode);
        IFederatedData data = SmallRun.Data(plan);
        var options = new SimulationOptions
        {
            Threads = 1,
            Journal = results.Journal,
            Checkpoints = results.Checkpoints,
            Devices = devices is null ? [] : [devices],
            Progress = onFact is null ? null : new SmallRun.Direct(onFact),
        };
        using SimulationResult result = await FederatedSimulation.RunAsync(plan, data, options, ct ?? TestContext.Current.CancellationToken);
        results.Complete(result, data);
        return result.Server.Model.Digest(plan.ModelMetadata);
    }

    private static async Task InterruptAsync(TemporaryFolder folder)
    {
        using var stop = new CancellationTokenSource();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => RunAsync(
            folder, Plan,
            onFact: fact =>
            {
                if (fact is RoundOpened { Round: 3 }) stop.Cancel();
            },
            ct: stop.Token));
    }

    private static Dictionary<string, string> Hashes(TemporaryFolder folder) => Directory.EnumerateFiles(folder.Path)
        .ToDictionary(file => Path.GetFileName(file), file => Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(file))));
}
