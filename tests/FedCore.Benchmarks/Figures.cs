using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace FedCore.Benchmarks;

/// <summary>Prints figures: one JSON line each, or a line for a person.</summary>
internal sealed class Figures(bool json)
{
    private static readonly JsonSerializerOptions Options = new(JsonSerializerOptions.Web) { DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull };

    public void Report(string suite, string figure, double value, string unit, object detail)
    {
        if (json)
        {
            Console.WriteLine(JsonSerializer.Serialize(
                new { suite, figure, value = Math.Round(value, 4), unit, detail }, Options));
        }
        else
        {
            string text = JsonSerializer.Serialize(detail, Options);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{suite,-12} {figure,-26} {value,10:G4} {unit,-6} {text}"));
        }
    }

    public static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }

    /// <summary>Calls per second of some work over the given time.</summary>
    public static double Rate(Action work, double seconds)
    {
        long start = Stopwatch.GetTimestamp();
        for (long count = 1; ; count++)
        {
            work();
            double elapsed = Stopwatch.GetElapsedTime(start).TotalSeconds;
            if (elapsed >= seconds) return count / elapsed;
        }
    }
}
