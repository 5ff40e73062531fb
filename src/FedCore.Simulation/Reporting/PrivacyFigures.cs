using FedCore.Privacy;
using FedCore.Rounds;
using FedCore.Rounds.Privacy;
using static System.FormattableString;

namespace FedCore.Simulation.Reporting;

/// <summary>What a run promises about each client, and what it has spent: for its report.</summary>
internal static class PrivacyFigures
{
    /// <summary>What was spent by round, a line for each adversary against whom there is a bound.</summary>
    public static IReadOnlyList<Series> SpentIn(RunState state)
    {
        RoundReceipt[] rounds = [.. state.Rounds.Where(round => round.Privacy is not null)];
        return
        [
            .. from adversary in Enum.GetValues<PrivacyAdversary>()
               let points = rounds.Select(round => ((double)round.Round, round.Privacy!.Spent.Single(spent => spent.Adversary == adversary).Epsilon)).ToArray()
               where points.Any(point => point.Epsilon is not null)
               select new Series(NameOf(adversary), [.. points.Select(point => (point.Item1, point.Epsilon ?? double.NaN))]),
        ];
    }

    /// <summary>The promise in words, and what it rests on.</summary>
    public static IEnumerable<(string Term, string Text)> Facts(PrivacyReceipt last)
    {
        yield return ("privacy", Invariant($"of one {Lower(last.Unit)} · neighbours {Lower(last.Relation)} · {Lower(last.Mechanism)} noise of {last.NoiseMultiplier:0.####} · clip {last.Clip:0.####} · delta {last.Delta}"));
        foreach (PrivacySpent spent in last.Spent)
            yield return (NameOf(spent.Adversary), spent.Epsilon is { } epsilon ? Invariant($"epsilon {Math.Ceiling(epsilon * 1e3) / 1e3:0.###} ({Lower(spent.Accountant!.Value)}): {spent.RestsOn}") : $"no bound, since it rests on {spent.RestsOn}");
    }

    /// <summary>How an adversary is called in a legend.</summary>
    public static string NameOf(PrivacyAdversary adversary) => adversary == PrivacyAdversary.Recipients ? "against recipients" : "against the aggregator";

    private static string Lower<T>(T value)
        where T : struct, Enum => System.Text.Json.JsonNamingPolicy.CamelCase.ConvertName($"{value}");
}
