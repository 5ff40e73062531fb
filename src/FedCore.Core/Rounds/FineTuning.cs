using System.ComponentModel.DataAnnotations;
using FedCore.Strategies;

namespace FedCore.Rounds;

/// <summary>
/// Personalisation before an evaluation: each client trains a copy of the global model on its own training examples and evaluates that. What was trained is
/// dropped, and the run itself is as without it.
/// </summary>
public sealed record FineTuning
{
    /// <summary>Passes over the client's examples; 1 where neither this nor <see cref="Steps"/> is given.</summary>
    [Range(1, 1_000_000)]
    public int? Epochs { get; init; }

    /// <summary>Steps instead of passes.</summary>
    [Range(1, 100_000_000)]
    public int? Steps { get; init; }

    /// <summary>The step size; null for that of <c>training</c>, without its schedule.</summary>
    [Range(0, double.MaxValue, MinimumIsExclusive = true)]
    public double? LearningRate { get; init; }

    /// <summary>How much work it is.</summary>
    public LocalWork Work => Steps is { } steps ? new LocalWork(0, steps) : new LocalWork(Epochs ?? 1, 0);
}
