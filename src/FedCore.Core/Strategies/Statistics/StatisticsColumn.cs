using System.ComponentModel.DataAnnotations;

namespace FedCore.Strategies.Statistics;

/// <summary>What is to be known of one column.</summary>
public sealed record StatisticsColumn
{
    /// <summary>A feature's name in the run's <c>data</c>, or the label's; where there is none, <c>label</c> or the feature's number, from 0.</summary>
    [StringLength(200, MinimumLength = 1)]
    public required string Name { get; init; }

    /// <summary>The smallest value, in the column's own units; what is smaller counts as this. Not for categories. It is public: say what is known anyway, and do not look into the data for it.</summary>
    public double? From { get; init; }

    /// <summary>The largest value; what is larger counts as this.</summary>
    public double? To { get; init; }

    /// <summary>Into how many bins of one width a histogram divides the range; 0 for none.</summary>
    [Range(0, 10_000)]
    public int Bins { get; init; }

    /// <summary>Which quantiles to read off the histogram, such as 0.5 for the median; exact to a part of a bin.</summary>
    public IReadOnlyList<double> Quantiles { get; init; } = [];
}
