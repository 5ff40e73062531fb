using System.CommandLine;
using System.Text.Json.Nodes;
using FedCore.Privacy;
using FedCore.Privacy.Accounting;
using FedCore.Privacy.Accounting.Events;

namespace FedCore.Cli.Commands;

/// <summary><c>fedcore privacy noise</c>: how much noise a promise needs.</summary>
internal static class PrivacyNoiseCommand
{
    public static Command Create(TextWriter output)
    {
        Option<double?> epsilon = NumberOption.Real("--epsilon", "The epsilon to keep.", "4");
        epsilon.Required = true;
        Option<bool> json = new("--json") { Description = "Prints the result as one line of JSON." };
        var command = new ExampleCommand(
            "noise", "Prints the smallest noise multiplier with which a mechanism that is repeated keeps an epsilon.",
            "fedcore privacy noise --epsilon 4 --sampling-rate 0.01 --steps 1000 --delta 1e-6") { epsilon };
        var question = new PrivacyQuestion(command);
        command.Add(json);
        command.SetAction(parsed =>
        {
            double budget = PrivacyNumbers.Epsilon(parsed.GetValue(epsilon)!.Value, "--epsilon"), delta = question.Delta(parsed);
            NeighboringRelation relation = question.Relation(parsed);
            Dictionary<AccountantKind, double> found = [];
            FedCoreException? fault = null;
            Func<double, PrivacyEvent> events = question.Events(parsed);
            foreach (AccountantKind kind in question.Accountants(parsed, events(1)))
            {
                try
                {
                    found.Add(kind, Calibration.NoiseMultiplier(noise => [events(noise)], () => PrivacyAccountant.Create(kind, relation), budget, delta));
                }
                catch (FedCoreException refused) when (refused.Code == "privacy.unreachable")
                {
                    fault = refused;
                }
            }

            if (found.Count == 0) throw fault!;
            (AccountantKind best, double noise) = found.MinBy(bound => bound.Value);
            string? warning = question.Warning(parsed), against = question.HoldsAgainst(parsed);
            if (parsed.GetValue(json))
            {
                var answer = new JsonObject
                {
                    ["noiseMultiplier"] = noise,
                    ["epsilon"] = budget,
                    ["delta"] = delta,
                    ["accountant"] = PrivacyEpsilonCommand.Name(best),
                    ["relation"] = parsed.GetValue<string>("--relation"),
                };
                if (against is not null) answer["holdsAgainst"] = against;
                if (warning is not null) answer["warning"] = warning;
                output.WriteLine(answer.ToJsonString());
                return 0;
            }

            output.WriteLine(FormattableString.Invariant($"A noise multiplier of {Math.Ceiling(noise * 1e4) / 1e4:0.0000} keeps epsilon {budget} at delta {delta} ({PrivacyEpsilonCommand.Name(best)})."));
            if (against is not null) output.WriteLine(against);
            if (warning is not null) output.WriteLine($"Warning: {warning}");
            return 0;
        });
        return command;
    }
}
