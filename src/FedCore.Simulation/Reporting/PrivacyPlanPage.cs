using FedCore.Privacy;
using FedCore.Rounds;

namespace FedCore.Simulation.Reporting;

/// <summary>What a run's rounds would spend, as a page with a chart.</summary>
public static class PrivacyPlanPage
{
    // Each is reckoned out; more show nothing more.
    private const int MostPoints = 60;

    /// <summary>Writes the page.</summary>
    /// <param name="path">The file, which is overwritten.</param>
    /// <param name="plan">The run, which has a <c>privacy</c> section.</param>
    public static void Write(string path, RunPlan plan)
    {
        ArgumentNullException.ThrowIfNull(plan);
        int rounds = plan.Definition.Rounds.Count, step = Math.Max(1, rounds / MostPoints);
        int[] shown = [.. Enumerable.Range(1, rounds).Where(round => round % step == 0 || round == 1 || round == rounds)];
        Series[] lines =
        [
            .. Enum.GetValues<PrivacyAdversary>().Where(plan.Privacy!.Protects).Select(adversary =>
                new Series(PrivacyFigures.NameOf(adversary), [.. shown.Select(round => ((double)round, plan.Privacy.PlannedEpsilon(adversary, round)))])),
        ];
        File.WriteAllText(path, $"""
            <!doctype html>
            <html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
            <title>{Html.Escape(plan.Definition.Name)} · privacy</title><style>{HtmlReport.Style}</style></head><body>
            <header><h1>{Html.Escape(plan.Definition.Name)}</h1><p>Epsilon at delta {plan.Privacy.Policy.Delta:G3} of {plan.Privacy.PlannedFor}, with a noise multiplier of {Html.Number(plan.Privacy.NoiseMultiplier)}.</p></header>
            <main><section class="panel wide"><div class="chart">{SvgLineChart.Draw(lines, Html.Number)}</div><p class="legend">{HtmlReport.Legend([.. lines.Select(line => line.Name)])}</p></section></main>
            </body></html>

            """);
    }
}
