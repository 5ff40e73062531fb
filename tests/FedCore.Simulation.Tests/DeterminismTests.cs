using FedCore.Rounds;
using FedCore.Rounds.Selection;
using FedCore.Simulation.Devices;
using FedCore.Simulation.Storage;
using FedCore.Strategies;
using FedCore.Tests;

namespace FedCore.Simulation.Tests;

/// <summary>The same run gives the same bits: with any number of threads, again, and across interruptions.</summary>
public class DeterminismTests
{
    // Devices of two speeds that drop out, decline and miss the deadline, and clients that send partial work.
    private static readonly RunPlan Plan = SmallRun.Plan(
        new RoundPolicy { Count = 9, Cohort = new UniformSelection { Size = 12 }, OverSelection = 0.25, DeadlineSeconds = 4, MinimumReports = 4 },
        new FedProx { Mu = 0.1 }, evaluation: new EvaluationPlan { Every = 2 });

    private static readonly DeviceProfile[] Devices =
    [
        new() { Name = "fast", ExamplesPerSecond = 30, SpeedSpread = 0.5, Availability = 0.9 },
        new() { Name = "slow", ExamplesPerSecond = 7, Dropout = 0.2, LivenessSeconds = 1 },
    ];

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    public async Task The_model_and_the_receipts_do_not_depend_on_the_number_of_threads(int threads)
    {
        using SimulationResult one = await RunAsync(1), many = await RunAsync(threads);
        Assert.Equal(one.Server.Model.Digest(), many.Server.Model.Digest());
        Assert.Equal(Receipts(one), Receipts(many));
    }

    [Fact]
    public async Task A_second_run_gives_the_same_model_and_receipts()
    {
        using SimulationResult first = await RunAsync(2), second = await RunAsync(2);
        Assert.Equal(first.Server.Model.Digest(), second.Server.Model.Digest());
        Assert.Equal(Receipts(first), Receipts(second));
    }

    [Fact]
    public async Task Another_seed_gives_another_model()
    {
        RunPlan other = RunPlan.Create(Plan.Definition with { Seed = 6 }, SmallRun.Names);
        using SimulationResult first = await RunAsync(2), second = await SmallRun.RunAsync(other, new SimulationOptions { Devices = Devices }, clients: 40);
        Assert.NotEqual(first.Server.Model.Digest(), second.Server.Model.Digest());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    [InlineData(8)]
    public async Task A_run_that_is_interrupted_in_a_round_goes_on_to_the_same_end(int round)
    {
        using SimulationResult whole = await RunAsync(2);
        using var folder = new TemporaryFolder();
        await InterruptAsync(folder, round);
        using SimulationResult resumed = await ResumeAsync(folder);
        Assert.Equal(whole.Server.Model.Digest(), resumed.Server.Model.Digest());
        Assert.Equal(Receipts(whole), Receipts(resumed));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(20)]
    public async Task A_journal_whose_last_line_was_cut_off_goes_on_to_the_same_end(int cut)
    {
        using SimulationResult whole = await RunAsync(2);
        using var folder = new TemporaryFolder();
        await InterruptAsync(folder, 5);
        await using (FileStream journal = File.OpenWrite(folder["journal.jsonl"])) journal.SetLength(journal.Length - cut);
        using SimulationResult resumed = await ResumeAsync(folder);
        Assert.Equal(whole.Server.Model.Digest(), resumed.Server.Model.Digest());
        Assert.Equal(Receipts(whole), Receipts(resumed));
    }

    [Fact]
    public async Task A_changed_checkpoint_is_refused()
    {
        using var folder = new TemporaryFolder();
        await InterruptAsync(folder, 5);
        foreach (string file in Directory.EnumerateFiles(folder.Path, "checkpoint-*"))
        {
            byte[] bytes = await File.ReadAllBytesAsync(file, TestContext.Current.CancellationToken);
            bytes[^1] ^= 1;
            await File.WriteAllBytesAsync(file, bytes, TestContext.Current.CancellationToken);
        }

        Assert.Equal("run.checkpoint", (await Assert.ThrowsAsync<FedCoreException>(() => ResumeAsync(folder))).Code);
    }

    [Fact]
    public async Task A_missing_checkpoint_is_refused()
    {
        using var folder = new TemporaryFolder();
        await InterruptAsync(folder, 5);
        foreach (string file in Directory.EnumerateFiles(folder.Path, "checkpoint-*")) File.Delete(file);
        Assert.Equal("run.checkpoint", (await Assert.ThrowsAsync<FedCoreException>(() => ResumeAsync(folder))).Code);
    }

    [Fact]
    public async Task With_checkpoints_and_no_journal_of_ones_own_the_options_remember_how_far_a_run_was()
    {
        using var folder = new TemporaryFolder();
        var trainer = new SmallRun.CountingTrainer();
        var options = new SimulationOptions { Trainer = trainer, Checkpoints = new FileCheckpointStore(folder.Path, Plan, TimeSpan.Zero, TimeProvider.System) };
        using SimulationResult first = await SmallRun.RunAsync(Plan, options, clients: 40);
        int trained = trainer.Trained;
        using SimulationResult again = await SmallRun.RunAsync(Plan, options, clients: 40);
        Assert.Equal(trained, trainer.Trained);
        Assert.Equal(first.Server.Model.Digest(), again.Server.Model.Digest());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task A_run_never_has_more_workspaces_than_threads_and_frees_them(int threads)
    {
        var trainer = new SmallRun.CountingTrainer();
        using SimulationResult result = await SmallRun.RunAsync(Plan, new SimulationOptions { Threads = threads, Trainer = trainer }, clients: 40);
        Assert.InRange(trainer.Workspaces, 1, threads);
        Assert.Equal(trainer.Workspaces, trainer.Disposed);
    }

    private static Task<SimulationResult> RunAsync(int threads) =>
        SmallRun.RunAsync(Plan, new SimulationOptions { Threads = threads, Devices = Devices }, clients: 40);

    // Cancels when the round's first reply is taken, as Ctrl+C would.
    private static async Task InterruptAsync(TemporaryFolder folder, int round)
    {
        using var stop = new CancellationTokenSource();
        using var journal = new FileRunJournal(folder["journal.jsonl"], SmallRun.Names);
        SimulationOptions options = Options(folder, journal) with
        {
            Progress = new SmallRun.Direct(fact =>
            {
                if (fact is ReplyTaken reply && reply.Round == round) stop.Cancel();
            }),
        };
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => SmallRun.RunAsync(Plan, options, clients: 40, stop.Token));
    }

    private static async Task<SimulationResult> ResumeAsync(TemporaryFolder folder)
    {
        using var journal = new FileRunJournal(folder["journal.jsonl"], SmallRun.Names);
        return await SmallRun.RunAsync(Plan, Options(folder, journal), clients: 40);
    }

    private static SimulationOptions Options(TemporaryFolder folder, FileRunJournal journal) => new()
    {
        Threads = 2,
        Devices = Devices,
        Journal = journal,
        Checkpoints = new FileCheckpointStore(folder.Path, Plan, TimeSpan.Zero, TimeProvider.System),
    };

    private static string Receipts(SimulationResult result)
    {
        var options = Json.FedCoreJson.Options(SmallRun.Names);
        return string.Join('\n', result.State.Rounds.Cast<object>().Concat(result.State.Evaluations).Select(r => System.Text.Json.JsonSerializer.Serialize(r, options)));
    }
}
