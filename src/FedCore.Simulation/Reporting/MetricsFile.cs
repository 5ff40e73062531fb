using System.Text.Json;
using FedCore.Json;
using FedCore.Naming;
using FedCore.Rounds;

namespace FedCore.Simulation.Reporting;

/// <summary>The results of a run as JSON lines.</summary>
public static class MetricsFile
{
    /// <summary>One line per round: its number, its metrics and what it cost.</summary>
    /// <param name="path">The file, which is overwritten.</param>
    /// <param name="state">The run.</param>
    public static void WriteMetrics(string path, RunState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        Dictionary<int, EvaluationReceipt> evaluations = state.Evaluations.ToDictionary(receipt => receipt.Round);
        using StreamWriter writer = File.CreateText(path);
        foreach (RoundReceipt round in state.Rounds)
        {
            EvaluationReceipt? evaluation = evaluations.GetValueOrDefault(round.Round);
            var line = new Dictionary<string, object>
            {
                ["round"] = round.Round,
                ["committed"] = round.Committed,
                ["asked"] = round.Clients.Count,
                ["contributors"] = round.Contributors,
                ["virtualSeconds"] = (round.Closed - round.Opened).TotalSeconds,
                ["bytesUp"] = round.BytesUp + (evaluation?.BytesUp ?? 0),
                ["bytesDown"] = round.BytesDown + (evaluation?.BytesDown ?? 0),
            };
            foreach ((string name, double value) in round.Metrics) line[name] = value;
            foreach ((string name, double value) in evaluation?.Metrics ?? new Dictionary<string, double>()) line[name] = value;
            foreach ((string name, ClientDistribution clients) in evaluation?.Distributions ?? new Dictionary<string, ClientDistribution>())
                (line[name + "Worst10"], line[name + "Median"], line[name + "Best10"]) = (clients.Worst10, clients.Median, clients.Best10);
            writer.WriteLine(JsonSerializer.Serialize(line));
        }
    }

    /// <summary>One line per round: its receipt.</summary>
    /// <param name="path">The file, which is overwritten.</param>
    /// <param name="state">The run.</param>
    /// <param name="registry">The names of the run's types.</param>
    public static void WriteReceipts(string path, RunState state, Registry registry)
    {
        ArgumentNullException.ThrowIfNull(state);
        JsonSerializerOptions options = FedCoreJson.Options(registry);
        using StreamWriter writer = File.CreateText(path);
        foreach (RoundReceipt receipt in state.Rounds) writer.WriteLine(JsonSerializer.Serialize(receipt, options));
    }
}
