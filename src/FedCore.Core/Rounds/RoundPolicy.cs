using System.ComponentModel.DataAnnotations;
using FedCore.Rounds.Selection;

namespace FedCore.Rounds;

/// <summary>How many rounds, with whom, and for how long.</summary>
public sealed record RoundPolicy
{
    /// <summary>Number of rounds; abandoned ones count.</summary>
    [Range(1, 10_000_000)]
    public required int Count { get; init; }

    /// <summary>Who takes part in a round.</summary>
    public ICohortSelection Cohort { get; init; } = new AllClients();

    /// <summary>
    /// Over-selection: this share of clients is asked in addition, and the round closes when as many as wanted have reported. 0.3 asks 13 to get 10.
    /// </summary>
    [Range(0, 10)]
    public double OverSelection { get; init; }

    /// <summary>
    /// A round closes this many seconds after it opened, at most 30 days; null to wait until every client has answered or is lost.
    /// </summary>
    [Range(0, 2_592_000, MinimumIsExclusive = true)]
    public double? DeadlineSeconds { get; init; }

    /// <summary>Limits each client's work to what it can finish by the deadline; null to ask everybody for the same.</summary>
    public WorkPlanning? WorkPlanning { get; init; }

    /// <summary>Lets the model move on whenever some updates are there, instead of round by round; null for rounds.</summary>
    public BufferPolicy? Buffer { get; init; }

    /// <summary>A round with fewer reports is abandoned: the model stays as it was. Null for as many as the round wants.</summary>
    [Range(1, int.MaxValue)]
    public int? MinimumReports { get; init; }

    /// <summary>The run fails when this many rounds in a row were abandoned.</summary>
    [Range(1, int.MaxValue)]
    public int MaxAbandonedInARow { get; init; } = 10;
}
