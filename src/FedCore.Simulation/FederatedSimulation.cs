using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using FedCore.Json;
using FedCore.Models;
using FedCore.Numerics;
using FedCore.Privacy.Sampling;
using FedCore.Rounds;
using FedCore.Simulation.ClientStates;
using FedCore.Simulation.Devices;
using FedCore.Simulation.Poisoning;
using FedCore.Strategies;
using FedCore.Training;
using FedCore.Training.Data;
using FedCore.Training.Engine;
using FedCore.Training.Partitioning;

namespace FedCore.Simulation;

/// <summary>Runs federated runs on one machine: the same strategies, the same round engine, simulated clients.</summary>
public static class FederatedSimulation
{
    /// <summary>Makes the clients that a run file's <c>simulation</c> section describes.</summary>
    /// <param name="plan">The run.</param>
    /// <param name="definition">The section.</param>
    /// <param name="folders">Where files are looked for.</param>
    /// <param name="ct">Cancels the loading.</param>
    /// <returns>The clients' examples.</returns>
    /// <exception cref="FedCoreException">The data is not there or not as the run needs it.</exception>
    public static async Task<IFederatedData> LoadAsync(RunPlan plan, SimulationDefinition definition, DataFolders folders, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(definition);
        if (definition.Data is null == definition.Clients is null)
            throw FedCoreException.Configuration("simulation.data", "simulation needs either \"data\" or \"clients\". Give one of the two.");
        if (definition.Clients is { } generator)
        {
            if (definition.Partition is not null)
                throw FedCoreException.Configuration("simulation.data", "simulation.partition deals out \"data\"; generated clients have their own. Remove it.");
            return new CachedData(generator.Create(plan), definition.CacheMb * 1_000_000L);
        }

        DataPool pool = await definition.Data!.LoadAsync(new DataRequest(plan, folders), ct).ConfigureAwait(false);
        return Deal(plan, pool, definition.Partition ?? new NaturalPartitioner(), definition.TestFraction);
    }

    /// <summary>Deals a pool of examples out to clients. The same seed gives the same partition, whatever the strategy.</summary>
    /// <param name="plan">The run.</param>
    /// <param name="pool">The examples.</param>
    /// <param name="partitioner">How they are dealt out.</param>
    /// <param name="testFraction">The share that each client holds back, where the pool has no test set.</param>
    /// <returns>The clients' examples.</returns>
    /// <exception cref="FedCoreException">The model cannot take the examples (<c>data.shape</c>, <c>data.label</c>), or they cannot be dealt out so
    /// (<c>data.partition</c>).</exception>
    public static IFederatedData Deal(RunPlan plan, DataPool pool, IPartitioner partitioner, double testFraction = ClientSplit.DefaultTestFraction)
    {
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(pool);
        ArgumentNullException.ThrowIfNull(partitioner);
        pool = ClientSplit.Fitted(plan, pool);
        return new PartitionedData(pool, partitioner.Split(pool, ClientSplit.KeysOf(plan.Definition.Seed).Stream("partition")), testFraction, ClientSplit.SplitKeysOf(plan));
    }

    /// <summary>Runs to the end.</summary>
    /// <param name="plan">The run.</param>
    /// <param name="data">The clients' examples.</param>
    /// <param name="options">Threads, devices, journal, progress.</param>
    /// <param name="ct">Cancels the run between two facts.</param>
    /// <returns>The result.</returns>
    /// <exception cref="FedCoreException">The run failed.</exception>
    public static async Task<SimulationResult> RunAsync(RunPlan plan, IFederatedData data, SimulationOptions? options = null, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(data);
        options ??= new SimulationOptions();
        if (options.SecureAggregation == SecureSumMode.Full && plan.Definition.SecureAggregation is null)
        {
            throw FedCoreException.Configuration(
                "run.secure-aggregation", "simulation.secureAggregation is \"full\", but the run sums in the clear. Add \"secureAggregation\": {} to the run, or leave it out of the simulation.");
        }

        var clock = new VirtualClock();
        using var states = new ClientStateStore(options.ClientStateFolder);
        using var fleet = new SimulatedFleet(
            plan, new FittingData(data, plan.Model), options.Trainer, new DeviceModel(plan, options.Devices, options.Stragglers), clock, states, options.Attackers,
            options.ClientProgress);
        using var pool = new FlatVectorPool(options.Storage);
        var server = new ServerState(options.InitialModel?.Clone(options.Storage) ?? ModelState.Initialize(plan.Model, plan.World.Stream("model"), options.Storage));
        var progress = new ResumedClock(clock, options.Progress);
        var engine = new RoundEngine(plan, fleet, options.Journal, new RoundEngineOptions
        {
            Clock = clock,
            Threads = options.Threads,
            Pool = pool,
            Checkpoints = options.Checkpoints is { } store && plan.KeepsClientState ? new ClientStateCheckpoints(store, states) : options.Checkpoints,
            Environment = options.Environment,
            PrivateRandom = (purpose, round) => new SimulationRandomBytes(plan.Random.Stream("simulated " + purpose, round)),
            SumsInTheOpen = options.SecureAggregation == SecureSumMode.Ideal,
            Progress = progress,
        });
        progress.State = engine.State;
        try
        {
            RunEnded end = await engine.RunAsync(server, ct).ConfigureAwait(false);
            return new SimulationResult(end, engine.State, server) { Definition = options.Definition };
        }
        catch
        {
            server.Dispose();
            throw;
        }
    }

    /// <summary>A digest of what decides a simulation's result beside the run: its <c>simulation</c> section, the examples, and the model to start from.</summary>
    /// <param name="plan">The run.</param>
    /// <param name="definition">The section.</param>
    /// <param name="data">The clients' examples.</param>
    /// <param name="initial">The model that the run starts from, or null where it draws one.</param>
    /// <returns>The digest.</returns>
    public static string EnvironmentOf(RunPlan plan, SimulationDefinition definition, IFederatedData data, ModelState? initial)
    {
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(data);
        using var digest = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        digest.AppendData(JsonSerializer.SerializeToUtf8Bytes(definition, FedCoreJson.Options(plan.Registry)));
        data.AddTo(digest);
        if (initial is not null) digest.AppendData(Encoding.UTF8.GetBytes(initial.Digest()));
        return "sha256:" + Convert.ToHexStringLower(digest.GetHashAndReset());
    }

    /// <summary>Virtual time goes on where the last round that counts closed, so that a resumed run has the receipts of one that was never interrupted.</summary>
    private sealed class ResumedClock(VirtualClock clock, IProgress<RunEvent>? next) : IProgress<RunEvent>
    {
        public RunState? State { get; set; }

        public void Report(RunEvent value)
        {
            if (value is RunResumed && State is { Rounds: [.., var last] }) clock.AdvanceTo(last.Closed);
            next?.Report(value);
        }
    }
}

/// <summary>How a simulation is run; nothing here changes its result but the devices and the first model.</summary>
public sealed record SimulationOptions
{
    private IRunJournal? _journal;

    /// <summary>Threads that train at once, at least 1.</summary>
    public int Threads { get; init; } = System.Environment.ProcessorCount;

    /// <summary>What trains.</summary>
    public ITrainer Trainer { get; init; } = new EmbeddedTrainer();

    /// <summary>The first model; null to draw it.</summary>
    public ModelState? InitialModel { get; init; }

    /// <summary>The kinds of devices that clients have.</summary>
    public IReadOnlyList<DeviceProfile> Devices { get; init; } = [];

    /// <summary>Clients that do not finish in time.</summary>
    public Stragglers? Stragglers { get; init; }

    /// <summary>Clients that want to harm the model.</summary>
    public Attackers? Attackers { get; init; }

    /// <summary>How a run with secure aggregation is simulated; the result is the same.</summary>
    public SecureSumMode SecureAggregation { get; init; } = SecureSumMode.Ideal;

    /// <summary>
    /// Where the facts go, by which a run finds its checkpoints again. By default they are kept in these options where there are checkpoints, and nowhere
    /// otherwise.
    /// </summary>
    public IRunJournal Journal
    {
        get => _journal ??= Checkpoints is null ? new NoJournal() : new InMemoryJournal();
        init => _journal = value;
    }

    /// <summary>Where the server's state is kept; null to keep none.</summary>
    public ICheckpointStore? Checkpoints { get; init; }

    /// <summary>
    /// Where vectors that strategies keep at their clients are, so that a run with checkpoints can be resumed; null for temporary files, which are gone with it.
    /// </summary>
    public string? ClientStateFolder { get; init; }

    /// <summary>
    /// Where the server's vectors lie. By default those of a GiB and more are in temporary files, and the updates that a robust rule keeps where those of a round are together so large.
    /// </summary>
    public VectorStorage Storage { get; init; } = DefaultStorage;

    internal static VectorStorage DefaultStorage => new(Path.GetTempPath(), thresholdBytes: 1 << 30);

    /// <summary>A digest of the data and devices, so that a run is not resumed with others.</summary>
    public string Environment { get; init; } = "";

    /// <summary>Hears of every fact.</summary>
    public IProgress<RunEvent>? Progress { get; init; }

    /// <summary>Hears of every task that a client has worked off, on the thread that did the work: of several at once, and once per client.</summary>
    public IProgress<SiteTask>? ClientProgress { get; init; }

    /// <summary>The run file's section that the clients come from, for the results' record; null where a program made them.</summary>
    public SimulationDefinition? Definition { get; init; }
}

/// <summary>What a simulation came to.</summary>
/// <param name="End">How it ended.</param>
/// <param name="State">All receipts and evaluations.</param>
/// <param name="Server">The global model and the strategy's state; the caller disposes of it.</param>
public sealed record SimulationResult(RunEnded End, RunState State, ServerState Server) : IDisposable
{
    /// <summary>The run file's section that the clients come from; null where a program made them.</summary>
    public SimulationDefinition? Definition { get; init; }

    /// <summary>The metrics of the last evaluation; where there was none, those of the last round that counted.</summary>
    public IReadOnlyDictionary<string, double> Metrics => State.LastMetrics;

    /// <inheritdoc/>
    public void Dispose() => Server.Dispose();
}
