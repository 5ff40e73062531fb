using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using FedCore.Cli.Display;
using FedCore.Hosting.Storage;
using FedCore.Privacy;
using FedCore.Privacy.Accounting.Events;
using FedCore.Privacy.Ledgers;

namespace FedCore.Cli.Commands;

/// <summary><c>fedcore privacy ledger</c>: what was done with a site's data, or with those of an aggregator's sites, and whether the account of it is whole.</summary>
internal static class PrivacyLedgerCommand
{
    private const string DefaultName = "privacy-ledger.jsonl";

    public static Command Create(TextWriter output) => new("ledger", "The account of what was done with data, and whether it is whole.") { Show(output), Verify(output) };

    private static ExampleCommand Show(TextWriter output)
    {
        Argument<string> path = Ledger();
        Option<double?> delta = NumberOption.Real("--delta", "The delta of the epsilons.", "1e-6", 1e-5);
        Option<string?> site = new("--site") { Description = "At an aggregator: what was done with this site's data alone." };
        Option<bool> json = JsonOption();
        var command = new ExampleCommand("show", "Prints what was done with the data, use by use, and what it came to.", "fedcore privacy ledger show client-data") { path, delta, site, json };
        command.SetAction(parsed =>
        {
            double chosen = PrivacyNumbers.Delta(parsed.GetValue(delta)!.Value, "--delta");
            using LedgerFile ledger = Open(parsed.GetValue(path)!);
            LedgerEntry[] entries = [.. ledger.Entries.Where(entry => parsed.GetValue(site) is not { } name || entry.Clients?.Contains(name) != false)];
            (string Source, PrivacyUnit Unit, LedgerBalance Balance)[] balances =
                [.. entries.Select(entry => (entry.Source, entry.Unit)).Distinct().Select(account => (account.Source, account.Unit, LedgerBalance.Of(entries, account.Source, account.Unit)))];
            if (parsed.GetValue(json))
            {
                output.WriteLine(new JsonObject
                {
                    ["entries"] = entries.Length,
                    ["delta"] = chosen,
                    ["sources"] = new JsonArray([.. balances.Select(balance => new JsonObject
                    {
                        ["source"] = balance.Source,
                        ["unit"] = NameOf(balance.Unit),
                        ["uses"] = balance.Balance.Uses,
                        ["unbounded"] = balance.Balance.Unbounded,
                        ["epsilon"] = balance.Balance.Epsilon(chosen) is var epsilon && double.IsFinite(epsilon) ? epsilon : null,
                    })]),
                }.ToJsonString());
                return 0;
            }

            TextTable.Write(
                output, ["entry", "at", "run", "round", "data", "against", "what"],
                [.. entries.Select(entry => (string[])
                [
                    entry.Number.ToString(CultureInfo.InvariantCulture), entry.At.ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture), entry.Run, entry.Round.ToString(CultureInfo.InvariantCulture), entry.Source,
                    entry.Adversary.ToString().ToLowerInvariant(), entry.Kind == LedgerEntryKind.Masked ? "its masked input left" : What(entry.Event),
                ])],
                "Nothing was done yet.");
            foreach ((string source, PrivacyUnit unit, LedgerBalance balance) in balances)
            {
                double epsilon = balance.Epsilon(chosen);
                string spent = double.IsFinite(epsilon)
                    ? FormattableString.Invariant($"epsilon {Math.Ceiling(epsilon * 1e4) / 1e4:0.####} at delta {chosen}")
                    : FormattableString.Invariant($"no epsilon: {balance.Unbounded} of them are bounded by nothing");
                output.WriteLine(FormattableString.Invariant($"{source}: used {balance.Uses} times; {spent}, for what hides each {NameOf(unit)}."));
            }

            return 0;
        });
        return command;
    }

    private static string NameOf(PrivacyUnit unit) => unit.ToString().ToLowerInvariant();

    private static ExampleCommand Verify(TextWriter output)
    {
        Argument<string> path = Ledger();
        Option<string?> head = new("--head") { Description = "The hash that the last entry had at some time, from a note of your own: it must be in the ledger still." };
        Option<bool> json = JsonOption();
        var command = new ExampleCommand("verify", "Checks that no entry was changed, left out or added between others.", "fedcore privacy ledger verify client-data") { path, head, json };
        command.SetAction(parsed =>
        {
            using LedgerFile ledger = Open(parsed.GetValue(path)!);
            if (parsed.GetValue(head) is { } noted && noted != ledger.Head && !ledger.Entries.Any(entry => entry.Previous == noted))
                throw FedCoreException.Configuration("privacy.ledger", $"The privacy ledger is whole, but no entry of it has the hash {Shown.Of(noted)}: it is another one, or it was written anew.");
            output.WriteLine(parsed.GetValue(json)
                ? new JsonObject { ["whole"] = true, ["entries"] = ledger.Entries.Count, ["head"] = ledger.Head }.ToJsonString()
                : FormattableString.Invariant($"The ledger is whole: {ledger.Entries.Count} entries, the last with the hash\n{ledger.Head}\nNote it where nobody can change it, to compare with later (--head)."));
            return 0;
        });
        return command;
    }

    private static LedgerFile Open(string path)
    {
        string file = Directory.Exists(path) ? Path.Combine(path, DefaultName) : path;
        return File.Exists(file) || File.Exists(file + ".head")
            ? LedgerFile.Open(file)
            : throw FedCoreException.Configuration("privacy.no-ledger", $"There is no privacy ledger at {Shown.Of(file, 400)}. Name the file, or the data folder of a client or an aggregator.");
    }

    private static string What(PrivacyEvent? cost) => cost switch
    {
        null => "bounded by nothing",
        GaussianEvent gaussian => FormattableString.Invariant($"noise of {gaussian.NoiseMultiplier:0.####}"),
        PoissonSampledEvent sampled => FormattableString.Invariant($"one in {1 / sampled.SamplingRate:0.##}, {What(sampled.Mechanism)}"),
        DiscreteGaussianEvent discrete => FormattableString.Invariant($"noise of {discrete.Sigma / discrete.Sensitivity:0.####}"),
        DistributedDiscreteGaussianEvent shared => FormattableString.Invariant($"noise of {shared.LocalSigma * Math.Sqrt(shared.Clients) / shared.Sensitivity:0.####}, shared by {shared.Clients}"),
        RepeatedEvent repeated => FormattableString.Invariant($"{repeated.Count} steps, {What(repeated.Mechanism)}"),
        TreeAggregationEvent tree => FormattableString.Invariant($"a tree of {tree.Steps} steps with noise of {tree.NoiseMultiplier:0.####}"),
        _ => cost.ToString(),
    };

    private static Argument<string> Ledger() => new("LEDGER") { Description = "The ledger's file, or the data folder of a client or an aggregator." };

    private static Option<bool> JsonOption() => new("--json") { Description = "Prints the result as one line of JSON." };
}
