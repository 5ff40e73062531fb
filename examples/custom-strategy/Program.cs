// A strategy of your own in one file: federated averaging in which clients keep their weights small and the server remembers its direction.
//
//   dotnet run -c Release --project examples/custom-strategy

using System.ComponentModel.DataAnnotations;
using System.Numerics.Tensors;
using FedCore.Models;
using FedCore.Naming;
using FedCore.Numerics;
using FedCore.Rounds;
using FedCore.Simulation;
using FedCore.Strategies;
using FedCore.Strategies.Conformance;
using FedCore.Training.Data;
using FedCore.Updates;

// A run file may now say {"type": "steady", "decay": 0.01, "momentum": 0.5}.
Registry registry = Registry.CreateDefault().AddSimulation().Register<IStrategy, SteadyAveraging>("steady");

// What every strategy must keep to: a second of checks without data.
foreach (ConformanceResult result in await StrategyConformance.CheckAsync(new SteadyAveraging(), registry)) Console.WriteLine(result);

RunFile file = RunFile.Load(args.Length > 0 ? args[0] : RunFileOfHospitals(), [], registry);
foreach (IStrategy strategy in (IStrategy[])[new FedAvg(), new SteadyAveraging { Decay = 0.01, Momentum = 0.5 }])
{
    RunPlan plan = RunPlan.Create(file.Run with { Strategy = strategy }, registry);
    IFederatedData hospitals = await FederatedSimulation.LoadAsync(plan, file.Simulation, new DataFolders(file.Folder, null, new()), default);
    using SimulationResult result = await FederatedSimulation.RunAsync(plan, hospitals);
    Console.WriteLine($"{registry.NameOf(strategy),-8} accuracy {result.Metrics["accuracy"]:F3}, loss {result.Metrics["loss"]:F3}");
}

static string RunFileOfHospitals()
{
    string? folder = AppContext.BaseDirectory;
    while (folder is not null && !File.Exists(Path.Combine(folder, "FedCore.sln"))) folder = Path.GetDirectoryName(folder);
    return Path.Combine(folder ?? ".", "examples", "hospitals", "run.json");
}

/// <summary>Federated averaging with weight decay at the clients and momentum at the server.</summary>
internal sealed class SteadyAveraging : IStrategy
{
    /// <summary>Weight decay at the clients, 0 or more.</summary>
    [Range(0, 1)]
    public double Decay { get; init; } = 0.001;

    /// <summary>Momentum at the server, from 0 to below 1.</summary>
    [Range(0, 1, MaximumIsExclusive = true)]
    public double Momentum { get; init; } = 0.9;

    // What a client sends: the model's weighted change, and nothing else.
    public UpdateLayout Layout(ModelSchema schema) => UpdateLayout.ForModel(schema);

    // What a client is told: what the run file says.
    public ClientTask Plan(RoundContext round, ClientDescriptor client) => round.StandardTask;

    // The edge half runs inside the site's trainer: the standard loop, with a correction between gradient and step.
    public IClientAlgorithm CreateClientAlgorithm(ClientTask task) => new DecayingTraining((float)Decay);

    // The server half sees the sum of the updates, never one client's. Vectors of the state are kept in checkpoints.
    public void Apply(UpdateSum sum, RoundContext round, ServerState state)
    {
        FlatVector velocity = state.Vector("velocity");
        TensorPrimitives.Multiply(velocity.AsSpan(), (float)Momentum, velocity.AsSpan());
        VectorBlocks.AddScaled(velocity, (float)(1 / sum.Weight), sum.Vector);
        VectorBlocks.Add(state.Model.Trainable, velocity);
    }

    private sealed class DecayingTraining(float decay) : LocalTraining
    {
        protected override void CorrectGradient(GradientBlock block) =>
            TensorPrimitives.MultiplyAdd(block.Parameters, decay, block.Gradient, block.Gradient);
    }
}
