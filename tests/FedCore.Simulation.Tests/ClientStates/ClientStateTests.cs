using System.Runtime.InteropServices;
using System.Text.Json;
using FedCore.Models;
using FedCore.Naming;
using FedCore.Numerics;
using FedCore.Rounds;
using FedCore.Rounds.Selection;
using FedCore.Simulation.Devices;
using FedCore.Simulation.Storage;
using FedCore.Strategies;
using FedCore.Tests;
using FedCore.Updates;

namespace FedCore.Simulation.Tests.ClientStates;

/// <summary>What clients keep belongs to the round whose update counted: across threads, rounds that are abandoned, interruptions.</summary>
public class ClientStateTests
{
    private static readonly DeviceProfile[] Devices = [new() { Name = "any", Dropout = 0.2, LivenessSeconds = 1 }];

    public static TheoryData<IStrategy> Strategies => [new Scaffold(), new FedDyn { Alpha = 0.1 }];

    [Theory]
    [MemberData(nameof(Strategies))]
    public async Task The_model_does_not_depend_on_the_number_of_threads(IStrategy strategy)
    {
        RunPlan plan = PlanFor(strategy);
        using SimulationResult one = await SmallRun.RunAsync(plan, new SimulationOptions { Threads = 1, Devices = Devices }, clients: 20);
        using SimulationResult three = await SmallRun.RunAsync(plan, new SimulationOptions { Threads = 3, Devices = Devices }, clients: 20);
        Assert.Equal(one.Server.Model.Digest(), three.Server.Model.Digest());
    }

    // The checkpoint is older than what the clients had kept when the run was interrupted.
    [Theory]
    [MemberData(nameof(Strategies))]
    public async Task A_resumed_run_goes_back_to_what_clients_kept_behind_the_checkpoint(IStrategy strategy)
    {
        RunPlan plan = PlanFor(strategy);
        using SimulationResult whole = await SmallRun.RunAsync(plan, new SimulationOptions { Devices = Devices }, clients: 20);
        for (int round = 1; round <= plan.Definition.Rounds.Count; round++)
        {
            using var folder = new TemporaryFolder();
            await InterruptAsync(plan, folder, round);
            using SimulationResult resumed = await ResumeAsync(plan, folder, folder.Path);
            Assert.Equal(whole.Server.Model.Digest(), resumed.Server.Model.Digest());
        }
    }

    [Fact]
    public async Task Without_the_files_a_run_with_states_is_not_resumed()
    {
        RunPlan plan = PlanFor(new Scaffold());
        using var folder = new TemporaryFolder();
        await InterruptAsync(plan, folder, 6);
        Assert.Equal("run.checkpoint", (await Assert.ThrowsAsync<FedCoreException>(() => ResumeAsync(plan, folder, null))).Code);
        foreach (string file in Directory.EnumerateFiles(folder.Path, "clients-*.json")) File.Delete(file);
        Assert.Equal("run.checkpoint", (await Assert.ThrowsAsync<FedCoreException>(() => ResumeAsync(plan, folder, folder.Path))).Code);
    }

    [Fact]
    public async Task A_client_that_would_keep_what_is_not_finite_is_refused()
    {
        Registry names = Registry.CreateDefault().AddSimulation().Register<IStrategy, Spoiling>("spoiling");
        RunPlan plan = RunPlan.Create(SmallRun.Plan(new RoundPolicy { Count = 1, MinimumReports = 1 }).Definition with { Strategy = new Spoiling() }, names);
        using SimulationResult result = await SmallRun.RunAsync(plan, clients: 3);
        RoundReceipt round = Assert.Single(result.State.Rounds);
        Assert.Equal([ClientOutcome.Reported, ClientOutcome.Reported, ClientOutcome.Refused], round.Clients.Select(c => c.Outcome).Order());
        Assert.Equal("update.not-finite", round.Clients.Single(c => c.Outcome == ClientOutcome.Refused).Reason);
    }

    // With every client in every round that counts, the server's control variate is the mean of the clients' own, whose changes it has summed.
    [Fact]
    public async Task Across_abandoned_rounds_the_servers_control_variate_stays_the_mean_of_the_clients()
    {
        RunPlan plan = SmallRun.Plan(
            new RoundPolicy { Count = 8, MinimumReports = 8 }, new Scaffold(), new TrainingPlan { BatchSize = 6, LearningRate = 0.1, WeightBy = WeightBy.Uniform });
        using var folder = new TemporaryFolder();
        var options = new SimulationOptions
        {
            Devices = [new DeviceProfile { Name = "any", Dropout = 0.08, LivenessSeconds = 1 }],
            ClientStateFolder = folder.Path,
            Checkpoints = new FileCheckpointStore(folder.Path, plan, TimeSpan.Zero, TimeProvider.System),
        };
        using SimulationResult result = await SmallRun.RunAsync(plan, options, clients: 8);
        Assert.InRange(result.State.Rounds.Count(round => !round.Committed), 1, 7);
        float[] control = result.Server.Vector("control").AsSpan().ToArray();
        float[][] own = [.. Committed(folder, round: 8)];
        Assert.Equal(8, own.Length);
        for (int i = 0; i < control.Length; i++) Assert.Equal(own.Average(vector => vector[i]), control[i], 1e-6f);
    }

    [Fact]
    public async Task Files_do_not_grow_with_the_number_of_rounds()
    {
        async Task<long> SizeAsync(int rounds)
        {
            RunPlan plan = SmallRun.Plan(new RoundPolicy { Count = rounds }, new Scaffold());
            using var folder = new TemporaryFolder();
            var options = new SimulationOptions { ClientStateFolder = folder.Path, Checkpoints = new FileCheckpointStore(folder.Path, plan, TimeSpan.Zero, TimeProvider.System) };
            using SimulationResult result = await SmallRun.RunAsync(plan, options);
            Assert.Equal(2, Directory.EnumerateFiles(folder.Path, "clients-*.json").Count());
            return new FileInfo(folder["clients-control.slots"]).Length;
        }

        Assert.Equal(await SizeAsync(5), await SizeAsync(25));
    }

    [Fact]
    public async Task Temporary_files_go_with_the_run()
    {
        string[] before = Directory.GetFiles(Path.GetTempPath(), "fedcore-*.slots");
        using (SimulationResult result = await SmallRun.RunAsync(PlanFor(new Scaffold()), clients: 20)) Assert.Equal(9, result.State.LastRound);
        Assert.Empty(Directory.GetFiles(Path.GetTempPath(), "fedcore-*.slots").Except(before));
    }

    private static IEnumerable<float[]> Committed(TemporaryFolder folder, int round)
    {
        using JsonDocument index = JsonDocument.Parse(File.ReadAllBytes(folder[$"clients-{round:D6}.json"]));
        JsonElement control = index.RootElement.GetProperty("control");
        int length = control.GetProperty("Length").GetInt32();
        float[] slots = MemoryMarshal.Cast<byte, float>(File.ReadAllBytes(folder["clients-control.slots"])).ToArray();
        return [.. control.GetProperty("Slots").EnumerateObject().Select(slot => slots.AsSpan(slot.Value.GetInt32() * length, length).ToArray())];
    }

    private static RunPlan PlanFor(IStrategy strategy) => SmallRun.Plan(
        new RoundPolicy { Count = 9, Cohort = new UniformSelection { Size = 7 }, MinimumReports = 4 }, strategy, evaluation: new EvaluationPlan { Every = 0 });

    private static async Task InterruptAsync(RunPlan plan, TemporaryFolder folder, int round)
    {
        using var stop = new CancellationTokenSource();
        using var journal = new FileRunJournal(folder["journal.jsonl"], SmallRun.Names);
        SimulationOptions options = Options(plan, folder, journal, folder.Path) with
        {
            Progress = new SmallRun.Direct(fact =>
            {
                if (fact is RoundEnded ended && ended.Receipt.Round == round) stop.Cancel();
            }),
        };
        try
        {
            using SimulationResult whole = await SmallRun.RunAsync(plan, options, clients: 20, stop.Token);
        }
        catch (OperationCanceledException)
        {
        }
    }

    private static async Task<SimulationResult> ResumeAsync(RunPlan plan, TemporaryFolder folder, string? states)
    {
        using var journal = new FileRunJournal(folder["journal.jsonl"], SmallRun.Names);
        return await SmallRun.RunAsync(plan, Options(plan, folder, journal, states), clients: 20);
    }

    private static SimulationOptions Options(RunPlan plan, TemporaryFolder folder, FileRunJournal journal, string? states) => new()
    {
        Devices = Devices,
        Journal = journal,
        ClientStateFolder = states,
        Checkpoints = new EveryThird(new FileCheckpointStore(folder.Path, plan, TimeSpan.Zero, TimeProvider.System)),
    };

    private sealed class EveryThird(ICheckpointStore inner) : ICheckpointStore
    {
        public bool IsDue(int round) => round % 3 == 0;

        public ValueTask<string> SaveAsync(int round, ServerState state, CancellationToken ct) => inner.SaveAsync(round, state, ct);

        public ValueTask LoadAsync(CheckpointSaved saved, ServerState state, CancellationToken ct) => inner.LoadAsync(saved, state, ct);
    }

    // Federated averaging in which one of the clients notes what is not a number, and sends a sound update.
    private sealed class Spoiling : IStrategy
    {
        private const double Spoiled = 0.25;

        public bool KeepsClientState => true;

        public UpdateLayout Layout(ModelSchema schema) => UpdateLayout.ForModel(schema);

        public ClientTask Plan(RoundContext round, ClientDescriptor client) =>
            client.Index == 1 ? round.StandardTask with { LearningRate = Spoiled } : round.StandardTask;

        public IClientAlgorithm CreateClientAlgorithm(ClientTask task) => new Noting();

        public void Apply(UpdateSum sum, RoundContext round, ServerState state) => VectorBlocks.AddScaled(state.Model.Trainable, (float)(1 / sum.Weight), sum.Vector);

        private sealed class Noting : LocalTraining
        {
            protected override void WriteChange(IClientContext context, Update update)
            {
                context.State.Vector("note", 1).AsSpan()[0] = context.Task.LearningRate == Spoiled ? float.NaN : 1;
                base.WriteChange(context, update);
            }
        }
    }
}
