using FedCore.Rounds;
using FedCore.Training;
using FedCore.Training.Engine;

namespace FedCore.PlugIn.Sample;

/// <summary>Trains like the embedded engine, for so many runs.</summary>
public sealed class CountingTrainer : ITrainer
{
    private readonly EmbeddedTrainer _engine = new();
    private int _runs;

    /// <summary>How many workspaces it makes at most.</summary>
    public int Runs { get; init; } = 1;

    public ITrainingWorkspace CreateWorkspace(RunPlan plan) => ++_runs > Runs ? throw new InvalidOperationException($"It makes {Runs} workspaces.") : _engine.CreateWorkspace(plan);
}
