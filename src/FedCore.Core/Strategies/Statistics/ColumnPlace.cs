using System.Globalization;
using FedCore.Rounds;

namespace FedCore.Strategies.Statistics;

/// <summary>Where a column lies in an example, and among the numbers that are summed of it: a number's distance from the middle of its range and its square, and a one in its bin; of a category a one in its place.</summary>
/// <param name="column">The column.</param>
/// <param name="offset">Where it lies in the features; -1 for the label.</param>
/// <param name="feature">The feature, where the run's data say one.</param>
/// <param name="categories">The categories; empty for a number.</param>
/// <param name="start">Its first number among those that are summed.</param>
internal sealed class ColumnPlace(StatisticsColumn column, int offset, Feature? feature, IReadOnlyList<string> categories, int start)
{
    // A squared distance from the middle is from 0 to 1/4 of the squared range; summed is how far it is from the middle of that.
    private const double MiddleSquare = 1.0 / 8;

    public StatisticsColumn Column => column;

    public bool IsNumber => categories.Count == 0;

    /// <summary>How many numbers are summed of it.</summary>
    public int Length => IsNumber ? 2 + column.Bins : categories.Count;

    /// <summary>The largest squared norm of its numbers: at either end of the range 1/2 and 1/8, and a one in a bin.</summary>
    public double SquaredBound => IsNumber ? 1.0 / 4 + MiddleSquare * MiddleSquare + (column.Bins > 0 ? 1 : 0) : 1;

    private double Range => column.To!.Value - column.From!.Value;

    public void Map(ReadOnlySpan<float> features, ReadOnlySpan<float> label, Span<double> target)
    {
        target = target.Slice(start, Length);
        if (!IsNumber)
        {
            if (CategoryOf(features, label) is >= 0 and var place && place < target.Length) target[place] = 1;
            return;
        }

        double value = offset < 0 ? label[0] : features[offset] * (feature?.Scale ?? 1) + (feature?.Center ?? 0);
        if (!double.IsFinite(value)) return;
        double share = Math.Clamp((value - column.From!.Value) / Range, 0, 1), distance = share - 0.5;
        (target[0], target[1]) = (distance, distance * distance - MiddleSquare);
        if (column.Bins > 0) target[2 + Math.Min((int)(share * column.Bins), column.Bins - 1)] = 1;
    }

    /// <summary>What the mean of the column's numbers comes to.</summary>
    /// <param name="mean">The means of all numbers that are summed.</param>
    public IEnumerable<KeyValuePair<string, double>> Results(Func<int, double> mean)
    {
        string name = column.Name;
        if (!IsNumber)
        {
            for (int i = 0; i < categories.Count; i++) yield return KeyValuePair.Create($"{name}.share.{categories[i]}", mean(start + i));
            yield break;
        }

        double distance = mean(start);
        yield return KeyValuePair.Create($"{name}.mean", column.From!.Value + (distance + 0.5) * Range);
        yield return KeyValuePair.Create($"{name}.variance", Math.Max(0, mean(start + 1) + MiddleSquare - distance * distance) * Range * Range);
        double[] shares = [.. Enumerable.Range(start + 2, column.Bins).Select(mean)];
        for (int bin = 0; bin < shares.Length; bin++) yield return KeyValuePair.Create(FormattableString.Invariant($"{name}.share.{bin.ToString($"D{Digits(column.Bins)}", CultureInfo.InvariantCulture)}"), shares[bin]);
        foreach (double quantile in column.Quantiles) yield return KeyValuePair.Create(FormattableString.Invariant($"{name}.quantile.{quantile}"), Quantile(shares, quantile));
    }

    // Noise may leave less than nothing in a bin; within a bin values are taken to lie evenly.
    private double Quantile(double[] shares, double quantile)
    {
        double sought = quantile * shares.Sum(share => Math.Max(0, share)), width = Range / shares.Length;
        for (int bin = 0; bin < shares.Length; bin++)
        {
            double share = Math.Max(0, shares[bin]);
            if (sought <= share && share > 0) return column.From!.Value + width * (bin + sought / share);
            sought -= share;
        }

        return column.To!.Value;
    }

    private int CategoryOf(ReadOnlySpan<float> features, ReadOnlySpan<float> label)
    {
        if (offset < 0) return (int)label[0];
        int dropped = feature!.DropFirst ? 1 : 0;
        for (int i = 0; i < feature.Width; i++)
            if (features[offset + i] > 0.5f) return i + dropped;
        return dropped - 1;
    }

    private static int Digits(int bins) => $"{bins - 1}".Length;
}
