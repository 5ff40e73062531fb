using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using FedCore.Cli.Display;
using FedCore.Privacy;
using FedCore.Privacy.Accounting;
using FedCore.Privacy.Accounting.Events;

namespace FedCore.Cli.Commands;

/// <summary><c>fedcore privacy epsilon</c>: what noise promises.</summary>
internal static class PrivacyEpsilonCommand
{
    public static Command Create(TextWriter output)
    {
        Option<double?> noise = NumberOption.Real("--noise-multiplier", "The noise's standard deviation over the largest norm of one contribution.", "1.1");
        noise.Required = true;
        Option<bool> json = new("--json") { Description = "Prints the result as one line of JSON." };
        var command = new ExampleCommand(
            "epsilon", "Prints the epsilon of a mechanism that is repeated: an upper bound, by each accountant that has one.",
            "fedcore privacy epsilon --noise-multiplier 1.1 --sampling-rate 0.01 --steps 1000 --delta 1e-6") { noise };
        var question = new PrivacyQuestion(command);
        command.Add(json);
        command.SetAction(parsed =>
        {
            PrivacyEvent all = question.Events(parsed)(PrivacyNumbers.NoiseMultiplier(parsed.GetValue(noise)!.Value, "--noise-multiplier"));
            double delta = question.Delta(parsed);
            NeighboringRelation relation = question.Relation(parsed);
            Dictionary<AccountantKind, double> bounds = [];
            foreach (AccountantKind kind in question.Accountants(parsed, all))
            {
                PrivacyAccountant accountant = PrivacyAccountant.Create(kind, relation);
                accountant.Record(all);
                bounds.Add(kind, accountant.Epsilon(delta));
            }

            (AccountantKind best, double epsilon) = bounds.MinBy(bound => bound.Value);
            string? warning = question.Warning(parsed), against = question.HoldsAgainst(parsed);
            if (parsed.GetValue(json))
            {
                var answer = new JsonObject
                {
                    ["epsilon"] = Number(epsilon),
                    ["delta"] = delta,
                    ["accountant"] = Name(best),
                    ["relation"] = parsed.GetValue<string>("--relation"),
                    ["bounds"] = new JsonObject(bounds.Select(bound => KeyValuePair.Create(Name(bound.Key), Number(bound.Value)))),
                };
                if (against is not null) answer["holdsAgainst"] = against;
                if (warning is not null) answer["warning"] = warning;
                output.WriteLine(answer.ToJsonString());
                return 0;
            }

            TextTable.Write(output, ["accountant", "epsilon"], [.. bounds.Select(bound => (string[])[Name(bound.Key), Shown(bound.Value)])], "");
            output.WriteLine(double.IsFinite(epsilon)
                ? FormattableString.Invariant($"Together they are ({Shown(epsilon)}, {delta})-differentially private: {Meaning(epsilon)}")
                : FormattableString.Invariant($"No epsilon can be shown at delta {delta}: nothing is promised. More noise would help."));
            if (against is not null && double.IsFinite(epsilon)) output.WriteLine(against);
            if (warning is not null) output.WriteLine($"Warning: {warning}");
            return 0;
        });
        return command;
    }

    internal static string Name(AccountantKind kind) => kind.ToString().ToLowerInvariant();

    // JSON has no number for no bound.
    private static JsonNode? Number(double epsilon) => double.IsFinite(epsilon) ? epsilon : null;

    private static string Shown(double epsilon) => double.IsFinite(epsilon) ? (Math.Ceiling(epsilon * 1e4) / 1e4).ToString("0.####", CultureInfo.InvariantCulture) : "none";

    // From even odds an adversary who sees everything gets to at most e^epsilon/(1 + e^epsilon).
    private static string Meaning(double epsilon) => FormattableString.Invariant(
        $"whoever finds it as likely as not that one took part is at most {Math.Ceiling(1e4 / (1 + Math.Exp(-epsilon))) / 100:0.##} % sure behind it, but for delta.");
}
