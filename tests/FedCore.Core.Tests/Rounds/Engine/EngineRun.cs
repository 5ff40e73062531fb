using System.Security.Cryptography;
using System.Text.Json;
using FedCore.Json;
using FedCore.Models;
using FedCore.Models.Layers;
using FedCore.Models.Losses;
using FedCore.Naming;
using FedCore.Numerics;
using FedCore.Rounds;
using FedCore.Strategies;
using FedCore.Updates;

namespace FedCore.Core.Tests.Rounds.Engine;

/// <summary>A run of the round engine over a scripted fleet. The same parts, in a new instance, resume from a journal.</summary>
internal sealed class EngineRun : IDisposable
{
    private static readonly Registry Names = Registry.CreateDefault().Register<IStrategy, MomentumStrategy>("momentum");

    public EngineRun(long clients = 4, Func<RunDefinition, RunDefinition>? change = null, RoundPolicy? rounds = null, EvaluationPlan? evaluation = null)
        : this(PlanFor(change, rounds, evaluation), clients)
    {
    }

    public EngineRun(RunPlan plan, long clients, VectorStorage? storage = null)
    {
        Plan = plan;
        Fleet = new ScriptedFleet(Clock, clients);
        Storage = storage;
        Server = new ServerState(ModelState.Initialize(plan.Model, plan.World.Stream("model"), storage));
    }

    public static RunPlan PlanFor(Func<RunDefinition, RunDefinition>? change = null, RoundPolicy? rounds = null, EvaluationPlan? evaluation = null)
    {
        var definition = new RunDefinition
        {
            Name = "engine",
            Model = new ModelSpec { Input = [3], Layers = [new LinearSpec { Outputs = 2 }], Loss = new MeanSquaredErrorSpec() },
            Strategy = new MomentumStrategy(),
            Training = new TrainingPlan { LearningRate = 0.1 },
            Rounds = rounds ?? new RoundPolicy { Count = 3 },
            Evaluation = evaluation ?? new EvaluationPlan { Every = 0 },
        };
        return RunPlan.Create(change?.Invoke(definition) ?? definition, Names);
    }

    public RunPlan Plan { get; }

    public ManualClock Clock { get; } = new();

    public ScriptedFleet Fleet { get; }

    public InMemoryJournal Journal { get; init; } = new();

    public ICheckpointStore? Checkpoints { get; init; }

    /// <summary>Where vectors lie; null for memory.</summary>
    public VectorStorage? Storage { get; }

    public string Environment { get; init; } = "";

    public int Threads { get; init; } = 1;

    /// <summary>Called with every fact that was kept.</summary>
    public Action<RunEvent>? OnFact { get; init; }

    /// <summary>Called behind every round, when the model has moved.</summary>
    public Action? OnEnded { get; set; }

    public ServerState Server { get; }

    public RunState State { get; private set; } = new();

    public float[] Model => Server.Model.Trainable.AsSpan().ToArray();

    public IEnumerable<string> FactNames => Journal.Facts.Select(fact => fact.GetType().Name);

    /// <summary>All receipts as text, with times relative to each round's opening: a resumed run is later.</summary>
    public string Receipts => string.Join('\n', State.Rounds
        .Select(r => (object)(r with { Opened = DateTimeOffset.UnixEpoch, Closed = DateTimeOffset.UnixEpoch + (r.Closed - r.Opened) }))
        .Concat(State.Evaluations)
        .Select(receipt => JsonSerializer.Serialize(receipt, FedCoreJson.Options(Names))));

    public async Task<RunEnded> RunAsync(CancellationToken? ct = null)
    {
        using var pool = new FlatVectorPool(Storage);
        var engine = new RoundEngine(Plan, Fleet, Journal, new RoundEngineOptions
        {
            Clock = Clock,
            Threads = Threads,
            Pool = pool,
            Checkpoints = Checkpoints,
            Environment = Environment,
            Progress = new Direct(fact =>
            {
                OnFact?.Invoke(fact);
                if (fact is RoundEnded) OnEnded?.Invoke();
            }),
        });
        State = engine.State;
        return await engine.RunAsync(Server, ct ?? TestContext.Current.CancellationToken);
    }

    /// <summary>Runs to an end in which no round was held.</summary>
    public async Task<FedCoreException> RunInVainAsync()
    {
        var fault = await Assert.ThrowsAsync<FedCoreException>(() => RunAsync());
        Assert.Equal("run.abandoned", fault.Code);
        Assert.All(State.Rounds, round => Assert.False(round.Committed));
        return fault;
    }

    public void Dispose() => Server.Dispose();

    private sealed class Direct(Action<RunEvent>? action) : IProgress<RunEvent>
    {
        public void Report(RunEvent value) => action?.Invoke(value);
    }
}

/// <summary>A strategy with a state of its own: the mean change enters a momentum, the momentum the model.</summary>
internal sealed class MomentumStrategy : IStrategy
{
    public UpdateLayout Layout(ModelSchema schema) => UpdateLayout.ForModel(schema);

    public ClientTask Plan(RoundContext round, ClientDescriptor client) => round.StandardTask;

    public IClientAlgorithm CreateClientAlgorithm(ClientTask task) => new LocalTraining();

    public void Apply(UpdateSum sum, RoundContext round, ServerState state)
    {
        FlatVector momentum = state.Vector("momentum");
        for (int i = 0; i < momentum.Length; i++) momentum.AsSpan()[i] = 0.9f * momentum.AsSpan()[i] + sum.Vector.AsSpan()[i] / (float)sum.Weight;
        VectorBlocks.Add(state.Model.Trainable, momentum);
    }
}

/// <summary>Checkpoints in memory, every so many rounds.</summary>
internal sealed class MemoryCheckpoints(int every, RunPlan? plan = null) : ICheckpointStore
{
    public Dictionary<int, byte[]> Files { get; init; } = [];

    public bool CommitsRounds { get; init; }

    public bool IsDue(int round) => round % every == 0;

    public ValueTask<string> SaveAsync(int round, ServerState state, CancellationToken ct)
    {
        using var file = new MemoryStream();
        ServerCheckpoint.Write(file, state, "momentum");
        Files[round] = file.ToArray();
        return new ValueTask<string>(Digest(Files[round]));
    }

    public ValueTask LoadAsync(CheckpointSaved saved, ServerState state, CancellationToken ct)
    {
        byte[] file = Files.TryGetValue(saved.Round, out byte[]? named) ? named : Files.Values.First(file => Digest(file) == saved.Digest);
        Assert.Equal(saved.Digest, Digest(file));
        ServerCheckpoint.Read(new MemoryStream(file), state, "momentum");
        return ValueTask.CompletedTask;
    }

    public ValueTask<ModelState> LoadModelAsync(CheckpointSaved saved, CancellationToken ct)
    {
        if (!Files.TryGetValue(saved.Round, out byte[]? file)) throw FedCoreException.Configuration("run.checkpoint", "It is gone.");
        Assert.Equal(saved.Digest, Digest(file));
        var server = new ServerState(new ModelState(plan!.Model.Schema));
        ServerCheckpoint.Read(new MemoryStream(file), server, "momentum");
        return ValueTask.FromResult(server.Model);
    }

    private static string Digest(byte[] file) => Convert.ToHexStringLower(SHA256.HashData(file));
}
