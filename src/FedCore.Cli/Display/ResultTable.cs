using System.Globalization;
using FedCore.Privacy;
using FedCore.Rounds;
using FedCore.Simulation;
using FedCore.Strategies.Statistics;

namespace FedCore.Cli.Display;

/// <summary>The end of a run, as a table for a person.</summary>
internal static class ResultTable
{
    private const int MaxRows = 12;

    public static void Write(TextWriter output, RunPlan plan, SimulationResult result, string? folder, TimeSpan elapsed)
    {
        RunState state = result.State;
        string[] metrics = [.. state.Evaluations.SelectMany(e => e.Metrics.Keys).Concat(state.Rounds.SelectMany(r => r.Metrics.Keys)).Distinct()];
        Dictionary<int, EvaluationReceipt> evaluations = state.Evaluations.ToDictionary(e => e.Round);
        string[] head = ["round", "clients", .. metrics.Select(metric => Shown.Of(metric))];
        var rows = new List<string[]>();
        foreach (RoundReceipt round in Pick([.. state.Rounds.Where(r => evaluations.Count == 0 || evaluations.ContainsKey(r.Round))]))
        {
            EvaluationReceipt? evaluation = evaluations.GetValueOrDefault(round.Round);
            rows.Add(
            [
                $"{round.Round}",
                round.Committed ? $"{round.Contributors} of {round.Clients.Count}" : "abandoned",
                .. metrics.Select(name => Value(name, round, evaluation)),
            ]);
        }

        if (plan.Definition.Strategy is FederatedStatistics query)
        {
            output.WriteLine($"{Shown.Of(plan.Definition.Name)} (statistics of {query.Columns.Count} columns, {state.Rounds.Sum(round => round.Contributors)} clients)\n");
            StatisticsTable.Write(output, query, state.LastMetrics);
            output.WriteLine();
            WriteEnd(output, result, folder, elapsed);
            return;
        }

        int[] widths = [.. Enumerable.Range(0, head.Length).Select(column => rows.Append(head).Max(row => row[column].Length))];
        output.WriteLine($"{Shown.Of(plan.Definition.Name)} ({plan.Registry.NameOf(plan.Definition.Strategy)}, {plan.Model.Schema.TrainableCount:N0} parameters)");
        output.WriteLine();
        foreach (string[] row in rows.Prepend(head)) output.WriteLine("  " + string.Join("   ", row.Select((cell, i) => cell.PadLeft(widths[i]))));
        output.WriteLine();

        if (state.Evaluations.Count > 0)
        {
            foreach ((string name, ClientDistribution clients) in state.Evaluations[^1].Distributions)
            {
                output.WriteLine(string.Create(
                    CultureInfo.InvariantCulture, $"  {Sentence($"{Shown.Of(name)} from client to client: worst 10 % {clients.Worst10:0.000}, median {clients.Median:0.000}, best 10 % {clients.Best10:0.000}")}"));
            }
        }

        WriteEnd(output, result, folder, elapsed);
    }

    private static void WriteEnd(TextWriter output, SimulationResult result, string? folder, TimeSpan elapsed)
    {
        RunState state = result.State;

        if (state.Rounds.LastOrDefault(round => round.Privacy is not null)?.Privacy is { } privacy)
        {
            string Spent(PrivacyAdversary adversary) => privacy.Spent.Single(spent => spent.Adversary == adversary).Epsilon is { } epsilon
                ? string.Create(CultureInfo.InvariantCulture, $"epsilon {Math.Ceiling(epsilon * 1e3) / 1e3:0.###}")
                : "no bound";
            output.WriteLine(string.Create(
                CultureInfo.InvariantCulture, $"  Privacy of one {privacy.Unit.ToString().ToLowerInvariant()}, at delta {privacy.Delta}: {Spent(PrivacyAdversary.Recipients)} against recipients, {Spent(PrivacyAdversary.Aggregator)} against the aggregator. In a simulation noise protects nobody."));
        }

        // A run that did all its rounds says itself how many were abandoned.
        int abandoned = result.End.Code == RunEnded.Completed ? 0 : state.Rounds.Count(r => !r.Committed);
        output.WriteLine($"  {Sentence(Shown.Of(result.End.Message, 4000))} {(abandoned > 0 ? $"{Abandoned(abandoned)}. " : "")}{elapsed.TotalSeconds.ToString("0.0", CultureInfo.InvariantCulture)} s.");
        if (folder is not null) output.WriteLine($"  Report: {Shown.Of(Path.Combine(folder, "report.html"), 4000)}");
        else output.WriteLine("  Add --out DIR for the model, receipts and a report with curves.");
    }

    private static string Abandoned(int rounds) => rounds == 1 ? "1 round was abandoned" : $"{rounds} rounds were abandoned";

    // All evaluated rounds of a short run; of a long one the first, the last, and some between.
    private static IEnumerable<RoundReceipt> Pick(RoundReceipt[] rounds)
    {
        if (rounds.Length <= MaxRows) return rounds;
        return Enumerable.Range(0, MaxRows).Select(i => rounds[(int)((long)i * (rounds.Length - 1) / (MaxRows - 1))]);
    }

    private static string Value(string name, RoundReceipt round, EvaluationReceipt? evaluation) =>
        (evaluation?.Metrics.TryGetValue(name, out double value) ?? false) || round.Metrics.TryGetValue(name, out value)
            ? value.ToString("0.0000", CultureInfo.InvariantCulture)
            : "";

    private static string Sentence(string text) => char.ToUpperInvariant(text[0]) + text[1..] + ".";
}
