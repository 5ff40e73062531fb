using System.ComponentModel.DataAnnotations;

namespace FedCore.Rounds;

/// <summary>The run is held only where nobody but the site sees its update: the aggregator learns sums over a cohort and nothing else.</summary>
public sealed record SecureAggregationPolicy
{
    /// <summary>A sum of fewer clients is never formed.</summary>
    [Range(2, int.MaxValue)]
    public int MinimumCohort { get; init; } = 3;
}
