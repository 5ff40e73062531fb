using System.Globalization;
using FedCore.Rounds;

namespace FedCore.Strategies.Statistics;

/// <summary>What is summed of an example for all columns of a query.</summary>
internal sealed class StatisticsMap : ExampleMap
{
    private StatisticsMap(IReadOnlyList<ColumnPlace> columns)
    {
        Columns = columns;
        Length = columns.Sum(column => column.Length);
        Bound = Math.Sqrt(columns.Sum(column => column.SquaredBound));
    }

    public IReadOnlyList<ColumnPlace> Columns { get; }

    public override int Length { get; }

    public override double Bound { get; }

    /// <exception cref="FedCoreException">A column is not there, or something of it is missing or makes no sense (<c>run.strategy</c>).</exception>
    public static StatisticsMap Of(IReadOnlyList<StatisticsColumn> columns, RunDefinition run)
    {
        if (columns.Count == 0) throw Refused("has no columns. Name some, such as {\"name\": \"age\", \"from\": 0, \"to\": 120, \"bins\": 24, \"quantiles\": [0.5]}");
        var places = new List<ColumnPlace>();
        int start = 0;
        for (int i = 0; i < columns.Count; i++)
        {
            StatisticsColumn column = columns[i];
            string place = $"columns[{i}]";
            if (columns.Take(i).Any(other => other.Name == column.Name)) throw Refused($"{place} is \"{Shown.Of(column.Name)}\" once more. Remove one of them");
            ColumnPlace found = Find(column, run, place, start);
            if (found.IsNumber) CheckNumber(column, place);
            else if (column is not { From: null, To: null, Bins: 0, Quantiles.Count: 0 }) throw Refused($"{place} has categories, of which the shares are counted. Leave from, to, bins and quantiles out");
            places.Add(found);
            start += found.Length;
        }

        return new StatisticsMap(places);
    }

    public override void Map(ReadOnlySpan<float> features, ReadOnlySpan<float> label, Span<double> target)
    {
        foreach (ColumnPlace column in Columns) column.Map(features, label, target);
    }

    private static ColumnPlace Find(StatisticsColumn column, RunDefinition run, string place, int start)
    {
        if (run.Data is not { } data)
        {
            int features = (int)run.Model.Input.Aggregate(1L, (product, size) => product * size);
            if (column.Name == "label") return new ColumnPlace(column, -1, null, [], start);
            return int.TryParse(column.Name, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number < features
                ? new ColumnPlace(column, number, null, [], start)
                : throw Refused($"{place}.name is \"{Shown.Of(column.Name)}\". Without \"data\" it is \"label\", or a feature's number below {features}");
        }

        if (column.Name == data.Label.Name)
        {
            // A number that is turned into yes or no is asked about as that.
            IReadOnlyList<string> classes = data.Label.PositiveAbove is { } threshold ? [FormattableString.Invariant($"up to {threshold}"), FormattableString.Invariant($"above {threshold}")] : data.Label.Classes ?? [];
            return new ColumnPlace(column, -1, null, classes, start);
        }

        int offset = 0;
        foreach (Feature feature in data.Features)
        {
            if (feature.Name == column.Name) return new ColumnPlace(column, offset, feature, feature.Categories ?? [], start);
            offset += feature.Width;
        }

        throw Refused($"{place}.name is \"{Shown.Of(column.Name)}\", which is no feature of data, nor its label. Known: {Shown.List(data.Features.Select(feature => feature.Name).Append(data.Label.Name))}");
    }

    private static void CheckNumber(StatisticsColumn column, string place)
    {
        if (column is not { From: { } from, To: { } to } || !(from < to) || !double.IsFinite(from) || !double.IsFinite(to))
            throw Refused($"{place} is a number, and needs a range: \"from\" below \"to\", such as 0 and 120 for an age. Say what is known of it anyway");
        if (column.Quantiles.Count > 0 && column.Bins < 2) throw Refused($"{place}.quantiles are read off a histogram. Set bins, such as to 100");
        if (column.Quantiles.Any(quantile => quantile is not (>= 0 and <= 1))) throw Refused($"{place}.quantiles are from 0 to 1, such as 0.5 for the median");
    }

    private static FedCoreException Refused(string message) => FedCoreException.Configuration("run.strategy", $"strategy statistics: {message}.");
}
