using System.Globalization;
using FedCore.Strategies.Statistics;

namespace FedCore.Cli.Display;

/// <summary>The answer to a question, as a table for a person, with a bar for each share.</summary>
internal static class StatisticsTable
{
    private const int BarLength = 40;

    public static void Write(TextWriter output, FederatedStatistics query, IReadOnlyDictionary<string, double> results)
    {
        TextTable.Write(output, ["statistic", "value"], [.. results.Where(result => !ColumnHistogram.Has(result.Key)).Select(result => (string[])[Shown.Of(result.Key), Number(result.Value)])], "No answer.");
        if (results.TryGetValue(FederatedStatistics.Noise, out double noise))
        {
            output.WriteLine(string.Create(
                CultureInfo.InvariantCulture, $"\nNoise has a deviation of {noise:0.##E+0} in each share, of as much of the range in each mean, and of about as much of the squared range in each variance, which is never shown below 0."));
        }

        foreach (ColumnHistogram histogram in ColumnHistogram.In(query, results))
        {
            double most = Math.Max(histogram.Shares.Max(), double.Epsilon);
            output.WriteLine();
            TextTable.Write(
                output, [Shown.Of(histogram.Column), "share", ""],
                [.. histogram.Labels.Zip(histogram.Shares, (label, share) => (string[])[Shown.Of(label), share.ToString("0.000", CultureInfo.InvariantCulture), new string('█', (int)Math.Round(BarLength * Math.Clamp(share / most, 0, 1)))])], "");
        }
    }

    private static string Number(double value) => value.ToString(Math.Abs(value) is >= 1e6 or < 1e-3 && value != 0 ? "G5" : "0.####", CultureInfo.InvariantCulture);
}
