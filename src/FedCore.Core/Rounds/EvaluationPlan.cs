using System.ComponentModel.DataAnnotations;
using FedCore.Rounds.Selection;

namespace FedCore.Rounds;

/// <summary>
/// Federated evaluation: a task of its own with a cohort of its own. Clients send sums over their examples, so the result is exact for the pooled
/// examples of all who report, and no client's own figure is disclosed.
/// </summary>
public sealed record EvaluationPlan
{
    /// <summary>Rounds between evaluations; the last round is always evaluated. 0 for never.</summary>
    [Range(0, int.MaxValue)]
    public int Every { get; init; } = 1;

    /// <summary>Who evaluates; null for all clients where there are at most 1,000, and else a uniform choice of 1,000.</summary>
    public ICohortSelection? Cohort { get; init; }

    /// <summary>On which examples; metrics over training examples have names like <c>trainLoss</c>.</summary>
    [MinLength(1)]
    public IReadOnlyList<DataSplit> Splits { get; init; } = [DataSplit.Test];

    /// <summary>Shows how accuracy is distributed over the clients; null for the mean alone.</summary>
    public DistributionPlan? Distribution { get; init; } = new();

    /// <summary>Training of a copy at each client before it evaluates; null to evaluate the global model as it is.</summary>
    public FineTuning? FineTune { get; init; }

    /// <summary>The largest number of clients that evaluate when no cohort is given.</summary>
    internal const int DefaultMaximum = 1000;

    /// <summary>Who evaluates.</summary>
    /// <param name="population">Number of clients.</param>
    /// <returns>The selection.</returns>
    internal ICohortSelection CohortFor(long population) =>
        Cohort ?? (population <= DefaultMaximum ? new AllClients() : new UniformSelection { Size = DefaultMaximum });
}

/// <summary>Which of a client's examples.</summary>
public enum DataSplit
{
    /// <summary>Those that the client holds back.</summary>
    Test,

    /// <summary>Those that it trains on.</summary>
    Train,
}
