using System.Security.Cryptography;
using FedCore.Core.Tests.Numerics;
using FedCore.Models;
using FedCore.Models.Layers;
using FedCore.Numerics;
using FedCore.Rounds;
using FedCore.Rounds.Selection;
using FedCore.Strategies;
using FedCore.Strategies.Server;
using FedCore.Tests;

namespace FedCore.Core.Tests.Rounds.Engine;

/// <summary>Rounds of a model that memory should not hold: where its vectors are mapped, memory is taken by blocks and not by models, and the result is the same.</summary>
[CollectionDefinition(nameof(LargeModelTests), DisableParallelization = true)]
[Collection(nameof(LargeModelTests))]
public sealed class LargeModelTests : IDisposable
{
    private const int Clients = 4, Rounds = 2;

    // A model has width x width numbers: 64 MiB of them, and a GiB.
    private const int Small = 4096, Large = 16384;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    // In memory there are the model, a momentum and a sum at least: what the watch must see.
    [Fact]
    public async Task Rounds_of_a_mapped_model_take_less_memory_than_half_of_it_where_in_memory_they_take_it_three_times_with_the_same_bits()
    {
        (long mapped, string digest) = await RunAsync(Small, new VectorStorage(_folder.Path, 1 << 20));
        (long inMemory, string expected) = await RunAsync(Small, VectorStorage.Memory);
        TestContext.Current.TestOutputHelper!.WriteLine($"{mapped >> 20} MiB mapped, {inMemory >> 20} MiB in memory");
        Assert.Equal(expected, digest);
        Assert.InRange(mapped, 0, BytesOf(Small) / 2);
        Assert.InRange(inMemory, 3 * BytesOf(Small), long.MaxValue);
    }

    [Fact]
    [Trait("Category", "Slow")]
    public async Task Rounds_of_a_mapped_model_of_a_GiB_take_less_memory_than_half_of_it()
    {
        (long bytes, _) = await RunAsync(Large, new VectorStorage(_folder.Path));
        TestContext.Current.TestOutputHelper!.WriteLine($"{bytes >> 20} MiB mapped");
        Assert.InRange(bytes, 0, BytesOf(Large) / 2);
    }

    // A version is kept as long as a client is at work that started from it: of 30 rounds with 4 clients at work 5 versions at most, beside the server's model and the pool's four vectors.
    [Fact]
    public async Task Versions_of_a_mapped_model_are_released_with_the_last_client_that_started_from_them()
    {
        using EngineRun run = NewBuffered(rounds: 30);
        int most = 0;
        run.OnEnded = () => most = Math.Max(most, Mappings.Of(_folder.Path).Length);
        await run.RunAsync();
        Assert.InRange(most, 2, 10);
        Assert.Single(Mappings.Of(_folder.Path));
    }

    [Fact]
    public async Task A_buffered_run_that_is_interrupted_holds_no_version()
    {
        using var stop = new CancellationTokenSource();
        using EngineRun run = NewBuffered(rounds: 30);
        run.OnEnded = () =>
        {
            if (run.State.Rounds.Count == 7) stop.Cancel();
        };
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => run.RunAsync(stop.Token));
        Assert.Single(Mappings.Of(_folder.Path));
    }

    private static long BytesOf(int width) => (long)width * width * sizeof(float);

    private EngineRun NewBuffered(int rounds)
    {
        RunPlan plan = EngineRun.PlanFor(
            definition => definition with { Strategy = new FedAvg() },
            new RoundPolicy { Count = rounds, Cohort = new UniformSelection { Size = 4 }, Buffer = new BufferPolicy { Size = 2 } });
        var run = new EngineRun(plan, clients: 9, new VectorStorage(_folder.Path, thresholdBytes: 4 * sizeof(float)));
        run.Fleet.OnTrainOf = client => [new Answer(1 + client * client)];
        return run;
    }

    // Everything from the model's first values to the checkpoint that is read again.
    private async Task<(long Bytes, string Digest)> RunAsync(int width, VectorStorage storage)
    {
        RunPlan plan = EngineRun.PlanFor(
            definition => definition with
            {
                Model = definition.Model with { Input = [width], Layers = [new LinearSpec { Outputs = width, Bias = false }] },
                Strategy = new FedAvg { Server = new ServerMomentum() },
            },
            new RoundPolicy { Count = Rounds });
        for (int client = 0; client < Clients; client++) FileUpdate.Write(plan, _folder[$"c{client}"], client);
        using var memory = new AnonymousMemory();
        var checkpoints = new FileCheckpoints(_folder["checkpoint"], plan);
        using var run = new EngineRun(plan, Clients, storage) { Checkpoints = checkpoints, Threads = 2 };
        run.Fleet.Update = (task, client) => new FileUpdate(plan, _folder[client.Id.Name], task.Round);
        await run.RunAsync();
        Assert.Equal([Clients, Clients], run.State.Rounds.Select(round => round.Contributors));
        string digest = run.Server.Model.Digest();
        using var again = new ServerState(new ModelState(plan.Model.Schema, storage));
        await checkpoints.LoadAsync(run.State.Checkpoint!, again, TestContext.Current.CancellationToken);
        Assert.Equal(digest, again.Model.Digest());
        return (memory.Stop(), digest);
    }

    /// <summary>The last checkpoint, in a file.</summary>
    private sealed class FileCheckpoints(string path, RunPlan plan) : ICheckpointStore
    {
        public bool IsDue(int round) => true;

        public ValueTask<string> SaveAsync(int round, ServerState state, CancellationToken ct)
        {
            using (FileStream file = File.Create(path)) ServerCheckpoint.Write(file, state, plan.StrategyName);
            return new ValueTask<string>(Digest());
        }

        public ValueTask LoadAsync(CheckpointSaved saved, ServerState state, CancellationToken ct)
        {
            Assert.Equal(saved.Digest, Digest());
            using FileStream file = File.OpenRead(path);
            ServerCheckpoint.Read(file, state, plan.StrategyName);
            return ValueTask.CompletedTask;
        }

        private string Digest()
        {
            using FileStream file = File.OpenRead(path);
            return Convert.ToHexStringLower(SHA256.HashData(file));
        }
    }
}
