using FedCore.Models;
using FedCore.Rounds;
using FedCore.Simulation.Storage;
using FedCore.Strategies;
using FedCore.Tests;

namespace FedCore.Simulation.Tests.Storage;

public class FileCheckpointStoreTests
{
    private static readonly RunPlan Plan = SmallRun.Plan();

    [Fact]
    public async Task A_state_reads_back_with_the_strategys_vectors()
    {
        using var folder = new TemporaryFolder();
        using ServerState saved = State(1), loaded = State(2);
        saved.Vector("momentum").AsSpan().Fill(0.25f);
        FileCheckpointStore store = Store(folder);
        await store.LoadAsync(await SaveAsync(store, 7, saved), loaded, TestContext.Current.CancellationToken);
        Assert.Equal(saved.Model.Digest(), loaded.Model.Digest());
        Assert.Equal(saved.Vector("momentum").AsSpan().ToArray(), loaded.Vector("momentum").AsSpan().ToArray());
    }

    // The process may end between the file and the fact that names it.
    [Fact]
    public async Task The_checkpoint_before_the_newest_stays_and_older_ones_go()
    {
        using var folder = new TemporaryFolder();
        using ServerState state = State(1);
        FileCheckpointStore store = Store(folder);
        for (int round = 1; round <= 4; round++) await SaveAsync(store, round, state);
        Assert.Equal(["checkpoint-000003.safetensors", "checkpoint-000004.safetensors"], Directory.EnumerateFiles(folder.Path).Select(Path.GetFileName).Order());
    }

    [Fact]
    public async Task A_resumed_store_keeps_the_checkpoint_that_it_loaded()
    {
        using var folder = new TemporaryFolder();
        using ServerState state = State(1);
        CheckpointSaved third = await SaveAsync(Store(folder), 3, state);
        FileCheckpointStore resumed = Store(folder);
        await resumed.LoadAsync(third, state, TestContext.Current.CancellationToken);
        await SaveAsync(resumed, 4, state);
        Assert.True(File.Exists(folder["checkpoint-000003.safetensors"]));
    }

    [Fact]
    public async Task Checkpoints_are_due_after_their_interval()
    {
        using var folder = new TemporaryFolder();
        using ServerState state = State(1);
        var clock = new VirtualClock();
        var store = new FileCheckpointStore(folder.Path, Plan, TimeSpan.FromSeconds(5), clock);
        var due = new List<bool>();
        foreach (double seconds in new[] { 0, 4.9, 0.2, 3, 3 })
        {
            clock.AdvanceTo(clock.GetUtcNow().AddSeconds(seconds));
            due.Add(store.IsDue(1));
            if (due[^1]) await SaveAsync(store, 1, state);
        }

        Assert.Equal([false, false, true, false, true], due);
    }

    private static FileCheckpointStore Store(TemporaryFolder folder) => new(folder.Path, Plan, TimeSpan.Zero, TimeProvider.System);

    private static ServerState State(long seed) => new(ModelState.Initialize(Plan.Model, Plan.Random.Stream("test", seed)));

    private static async Task<CheckpointSaved> SaveAsync(FileCheckpointStore store, int round, ServerState state) =>
        new(round, await store.SaveAsync(round, state, TestContext.Current.CancellationToken));
}
