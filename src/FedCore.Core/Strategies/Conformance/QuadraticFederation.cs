using FedCore.Aggregation;
using FedCore.Models;
using FedCore.Models.Layers;
using FedCore.Models.Losses;
using FedCore.Naming;
using FedCore.Numerics;
using FedCore.Rounds;
using FedCore.Updates;

namespace FedCore.Strategies.Conformance;

/// <summary>Clients with quadratic losses, and rounds with both halves of a strategy: no engine, no data, an optimum that is known.</summary>
internal sealed class QuadraticFederation : IDisposable
{
    private readonly IReadOnlyList<QuadraticClient> _clients;
    private readonly InMemoryClientState[] _states;
    private readonly AggregationResources _resources;

    /// <param name="plan">The run.</param>
    /// <param name="clients">The clients.</param>
    /// <param name="statesOf">Whose clients' states to go on from; null to begin anew.</param>
    public QuadraticFederation(RunPlan plan, IReadOnlyList<QuadraticClient> clients, QuadraticFederation? statesOf = null)
    {
        Plan = plan;
        _clients = clients;
        _states = statesOf?._states ?? [.. clients.Select(_ => new InMemoryClientState())];
        _resources = new AggregationResources(1, Pool);
        Server = new ServerState(new ModelState(plan.Model.Schema));
    }

    public RunPlan Plan { get; }

    public ServerState Server { get; init; }

    public FlatVectorPool Pool { get; } = new();

    public float[] Model => Server.Model.Trainable.AsSpan().ToArray();

    /// <summary>A run whose model has so many parameters.</summary>
    public static RunPlan PlanFor(
        IStrategy strategy, Registry registry, int parameters, TrainingPlan training, int rounds = 1000, Func<RunDefinition, RunDefinition>? change = null)
    {
        var definition = new RunDefinition
        {
            Name = "quadratic losses",
            Model = new ModelSpec { Input = [parameters], Layers = [new LinearSpec { Outputs = 1, Bias = false }], Loss = new MeanSquaredErrorSpec() },
            Strategy = strategy,
            Training = training,
            Rounds = new RoundPolicy { Count = rounds },
        };
        return RunPlan.Create(change?.Invoke(definition) ?? definition, registry);
    }

    /// <summary>The minimum of the clients' mean loss, each client counted with a weight.</summary>
    public static double[] OptimumOf(IReadOnlyList<QuadraticClient> clients, Func<QuadraticClient, double> weight)
    {
        double[] optimum = new double[clients[0].Optimum.Count];
        for (int j = 0; j < optimum.Length; j++)
            optimum[j] = clients.Sum(c => weight(c) * c.Curvature[j] * c.Optimum[j]) / clients.Sum(c => weight(c) * c.Curvature[j]);
        return optimum;
    }

    /// <summary>The updates of a cohort.</summary>
    public async Task<IReadOnlyList<MemoryUpdate>> TrainAsync(int round, IReadOnlyList<int> cohort, CancellationToken ct)
    {
        IStrategy strategy = Plan.Definition.Strategy;
        var context = new RoundContext(Plan, round, _clients.Count);
        Dictionary<string, FlatVector> broadcasts = strategy.Broadcasts.ToDictionary(name => name, name => Server.Vector(name));
        var updates = new List<MemoryUpdate>();
        using var buffer = new FlatVector(Plan.TrainLayout.VectorLength);
        for (int position = 0; position < cohort.Count; position++)
        {
            QuadraticClient client = _clients[cohort[position]];
            ClientTask work = strategy.Plan(context, new ClientDescriptor(cohort[position], new ClientId($"client {cohort[position]}")));
            var task = new TrainTask(work, round, position, cohort.Count, Server.Model, Plan.TrainLayout, null) { Broadcasts = broadcasts };
            client.Begin(Plan.Definition, task, _states[cohort[position]]);
            var update = new Update(Plan.TrainLayout, buffer);
            update.Reset();
            await strategy.CreateClientAlgorithm(work).RunAsync(client, update, ct).ConfigureAwait(false);
            update.Complete();
            updates.Add(MemoryUpdate.Of(update));
        }

        return updates;
    }

    /// <summary>Sums updates and lets the strategy apply the sum.</summary>
    public async Task ApplyAsync(int round, IReadOnlyList<MemoryUpdate> updates, CancellationToken ct)
    {
        AggregationResult result = await new WeightedMean().AggregateAsync(Plan.TrainLayout, updates, _resources, ct).ConfigureAwait(false);
        Plan.Definition.Strategy.Apply(result.Sum, new RoundContext(Plan, round, _clients.Count), Server);
        Pool.Return(result.Sum.Vector);
    }

    /// <summary>A whole round.</summary>
    public async Task RoundAsync(int round, IReadOnlyList<int> cohort, CancellationToken ct) =>
        await ApplyAsync(round, await TrainAsync(round, cohort, ct).ConfigureAwait(false), ct).ConfigureAwait(false);

    public void Dispose()
    {
        Server.Dispose();
        _resources.Dispose();
        Pool.Dispose();
        foreach (InMemoryClientState state in _states) state.Dispose();
        foreach (QuadraticClient client in _clients) client.Dispose();
    }
}

/// <summary>An update that lies in memory.</summary>
internal sealed class MemoryUpdate(float[] values, double[] scalars) : IUpdateSource, IUpdateReader
{
    public int Contributors => 1;

    public float[] Values => values;

    public ReadOnlySpan<double> Scalars => scalars;

    public static MemoryUpdate Of(Update update)
    {
        float[] values = new float[update.Layout.VectorLength];
        for (int offset = 0; offset < values.Length;)
        {
            ReadOnlySpan<float> block = update.ReadBlock(offset);
            block.CopyTo(values.AsSpan(offset));
            offset += block.Length;
        }

        return new MemoryUpdate(values, update.Scalars.ToArray());
    }

    public ValueTask<IUpdateReader> OpenAsync(CancellationToken ct) => new(this);

    public ReadOnlySpan<float> Read(long offset) => values.AsSpan((int)offset);

    public void Dispose()
    {
    }
}
