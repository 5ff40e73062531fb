using System.Globalization;

namespace FedCore.Strategies.Statistics;

/// <summary>How a column's values are distributed, as a receipt tells it: for displays.</summary>
/// <param name="Column">The column.</param>
/// <param name="Labels">What each bin is: where it begins and ends, or a category.</param>
/// <param name="Shares">The share of the examples in each; with noise, it may be below 0.</param>
public sealed record ColumnHistogram(string Column, IReadOnlyList<string> Labels, IReadOnlyList<double> Shares)
{
    private const string Share = ".share.";

    /// <summary>Whether a result is part of a histogram.</summary>
    /// <param name="name">The result's name.</param>
    /// <returns>False for what stands by itself, such as a mean.</returns>
    public static bool Has(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return name.Contains(Share, StringComparison.Ordinal);
    }

    /// <summary>The histograms of a query's results.</summary>
    /// <param name="query">The query.</param>
    /// <param name="results">The results, from a receipt.</param>
    /// <returns>One for each column that has any.</returns>
    public static IEnumerable<ColumnHistogram> In(FederatedStatistics query, IReadOnlyDictionary<string, double> results)
    {
        ArgumentNullException.ThrowIfNull(query);
        ArgumentNullException.ThrowIfNull(results);
        foreach (StatisticsColumn column in query.Columns)
        {
            KeyValuePair<string, double>[] shares = [.. results.Where(result => result.Key.StartsWith(column.Name + Share, StringComparison.Ordinal))];
            if (shares.Length == 0) continue;
            yield return new ColumnHistogram(
                column.Name,
                [.. shares.Select((share, bin) => column is { From: { } from, To: { } to } ? Bin(from + bin * (to - from) / column.Bins, from + (bin + 1) * (to - from) / column.Bins) : share.Key[(column.Name.Length + Share.Length)..])],
                [.. shares.Select(share => share.Value)]);
        }
    }

    private static string Bin(double from, double to) => string.Create(CultureInfo.InvariantCulture, $"{from:0.####}–{to:0.####}");
}
