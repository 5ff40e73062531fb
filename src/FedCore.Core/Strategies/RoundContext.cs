using FedCore.Rounds;

namespace FedCore.Strategies;

/// <summary>A round, as a strategy sees it.</summary>
/// <param name="Run">The run.</param>
/// <param name="Round">The round, from 1.</param>
/// <param name="Population">How many clients the fleet has, of which the round asks some.</param>
public sealed record RoundContext(RunPlan Run, int Round, long Population)
{
    /// <summary>What the run file asks of every client in this round.</summary>
    public ClientTask StandardTask { get; } = Run.Definition.Training.TaskFor(Round, Run.Definition.Rounds.Count, Run.Privacy?.BatchRate);
}
