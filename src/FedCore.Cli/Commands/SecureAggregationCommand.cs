using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using FedCore.Cli.Display;
using FedCore.SecureAggregation.Graphs;
using FedCore.SecureAggregation.Ring;
using FedCore.SecureAggregation.Sessions;
using FedCore.Simulation;

namespace FedCore.Cli.Commands;

/// <summary><c>fedcore secagg</c>: what secure aggregation needs for a cohort, and what it costs on this machine.</summary>
internal static class SecureAggregationCommand
{
    private static readonly Dictionary<string, Adversary> Adversaries = new(StringComparer.Ordinal)
    {
        ["none"] = Adversary.None,
        ["curious"] = Adversary.Curious,
        ["split-view"] = Adversary.SplitView,
    };

    public static Command Create(TextWriter output, TextWriter error) => new("secagg", "Parameters and costs of secure aggregation.") { Parameters(output), Bench(output, error) };

    private static ExampleCommand Parameters(TextWriter output)
    {
        Option<int?> clients = Required(NumberOption.Create<int>("--clients", "How many clients are summed."));
        Option<double?> adversarial = NumberOption.Real("--adversarial-rate", "The share of them that the adversary may control.", "0.05", 0.05), dropout = NumberOption.Real("--dropout-rate", "The share of them that may vanish.", "0.05", 0.25);
        Option<string> adversary = AdversaryOption();
        Option<bool> json = JsonOption();
        var command = new ExampleCommand(
            "parameters",
            "Prints the lowest degree of a random graph, and the threshold, with which a session is safe but for a chance of 2^-40 and complete but for one of 2^-20. Below 100 clients "
            + "a run uses the complete graph instead, with two thirds of the clients and one more as the threshold.",
            "fedcore secagg parameters --clients 1000 --adversarial-rate 0.05 --dropout-rate 0.33 --adversary curious") { clients, adversarial, dropout, adversary, json };
        command.SetAction(parsed =>
        {
            (int count, Adversary who) = (parsed.GetValue(clients)!.Value, Adversaries[parsed.GetValue(adversary)!]);
            (double bad, double lost) = (parsed.GetValue(adversarial)!.Value, parsed.GetValue(dropout)!.Value);
            if (who == Adversary.None && parsed.GetResult(adversarial) is not { Implicit: false }) bad = 0;
            try
            {
                GraphParameters found = new GraphRule(count, bad, lost, who).Sparse();
                if (!parsed.GetValue(json)) output.WriteLine(Explain(count, bad, lost, who, found));
                else output.WriteLine(JsonSerializer.Serialize(new { feasible = true, degree = found.Degree, threshold = found.Threshold }));
                return 0;
            }
            catch (FedCoreException fault) when (parsed.GetValue(json) && fault.Code == "secagg.parameters")
            {
                output.WriteLine(JsonSerializer.Serialize(new { feasible = false, reason = fault.Message }));
                return (int)fault.Kind;
            }
        });
        return command;
    }

    private static string Explain(int clients, double adversarial, double dropout, Adversary adversary, GraphParameters found)
    {
        string assumed = adversary switch
        {
            Adversary.None => "nobody is an adversary",
            Adversary.Curious => "the aggregator follows the protocol and reads along",
            _ => "the aggregator may lie once the graph is there",
        };
        string used = clients >= GraphRule.LeastSparse
            ? "A run with such a cohort uses these."
            : $"A run uses the complete graph: degree {clients - 1}, threshold {2 * clients / 3 + 1}, which withstands a lying aggregator with less than a third of the clients.";
        return FormattableString.Invariant(
            $"{clients} clients, of whom {adversarial:0.####} may be the adversary's and {dropout:0.####} may vanish; {assumed}.\ndegree     {found.Degree}\nthreshold  {found.Threshold}\n") + used;
    }

    private static ExampleCommand Bench(TextWriter output, TextWriter error)
    {
        Option<int?> clients = Required(NumberOption.Create<int>("--clients", "How many clients take part.")), dropouts = NumberOption.Create<int>("--dropouts", "How many vanish when they have shared their secrets. [default: 0]");
        Option<long?> length = NumberOption.Create<long>("--length", "Numbers in each client's vector.");
        length.Required = true;
        Option<int?> bits = NumberOption.Create<int>("--bits", "Bits of each number. [default: 32]"), threads = NumberOption.Create<int>("--threads", "Threads. [default: all]");
        Option<double?> adversarial = NumberOption.Real("--adversarial-rate", "The share of the clients that the adversary may control, for the degree from 100 clients on.", "0.05", 0.05);
        Option<string> adversary = AdversaryOption();
        Option<bool> json = JsonOption();
        var command = new ExampleCommand(
            "bench", "Holds one session with all clients in this process, with real keys, shares and masks, and says what each stage takes.",
            "fedcore secagg bench --clients 100 --length 100000 --dropouts 5") { clients, length, dropouts, bits, adversarial, adversary, threads, json };
        command.SetAction(async (parsed, ct) =>
        {
            var options = new RehearsalOptions
            {
                Clients = InRange(parsed.GetValue(clients)!.Value, 2, GraphRule.MostClients, "--clients"),
                Length = InRange(parsed.GetValue(length)!.Value, 1, Array.MaxLength / sizeof(uint), "--length"),
                Dropouts = parsed.GetValue(dropouts) ?? 0,
                Bits = InRange(parsed.GetValue(bits) ?? RingEncoding.MostBits, 2, RingEncoding.MostBits, "--bits"),
                AdversarialRate = parsed.GetValue(adversarial)!.Value,
                Adversary = Adversaries[parsed.GetValue(adversary)!],
                Threads = InRange(parsed.GetValue(threads) ?? Environment.ProcessorCount, 1, 1024, "--threads"),
            };
            bool isJson = parsed.GetValue(json);
            RehearsalResult result = await SecureAggregationRehearsal.HoldAsync(options, isJson || Console.IsErrorRedirected ? null : new Stages(error), ct);
            if (isJson) await output.WriteLineAsync(Json(options, result));
            else WriteTable(output, options, result);
            return result.IsExact ? 0 : (int)FaultKind.RunFailed;
        });
        return command;
    }

    private static string Json(RehearsalOptions options, RehearsalResult result) => JsonSerializer.Serialize(new
    {
        exact = result.IsExact,
        degree = result.Graph.Degree,
        threshold = result.Graph.Threshold,
        seconds = Math.Round(result.Seconds, 4),
        stages = result.Stages.ToDictionary(stage => stage.Key.ToString().ToLowerInvariant(), stage => Math.Round(stage.Value, 4)),
        recoverySeconds = Math.Round(result.UnmaskSeconds, 4),
        bytesUp = result.MostBytesUp,
        vectorBytes = result.VectorBytes,
        bytesUpPerNeighbour = Math.Round((result.MostBytesUp - result.VectorBytes) / (double)Math.Min(result.Graph.Degree, options.Clients - 1), 1),
        bytesDown = result.MostBytesDown,
    });

    private static void WriteTable(TextWriter output, RehearsalOptions options, RehearsalResult result)
    {
        static string Seconds(double seconds) => seconds.ToString("0.000", CultureInfo.InvariantCulture);
        IEnumerable<string[]> rows = result.Stages.Select(stage => (string[])[stage.Key.ToString().ToLowerInvariant(), Seconds(stage.Value)]);
        TextTable.Write(output, ["stage", "seconds"], [.. rows, ["recovery", Seconds(result.UnmaskSeconds)], ["all", Seconds(result.Seconds)]], "");
        output.WriteLine(FormattableString.Invariant($"{options.Clients} clients and their aggregator on {options.Threads} threads; degree {result.Graph.Degree}, threshold {result.Graph.Threshold}."));
        output.WriteLine(FormattableString.Invariant($"A client sends at most {result.MostBytesUp:N0} bytes, of which {result.VectorBytes:N0} are its vector, and gets {result.MostBytesDown:N0}."));
        output.WriteLine(result.IsExact ? "The sum is exactly that of those who stayed." : "The sum is WRONG. Please report it with the command.");
    }

    private static Option<int?> Required(Option<int?> option)
    {
        option.Required = true;
        return option;
    }

    private static Option<string> AdversaryOption()
    {
        var option = new Option<string>("--adversary")
        {
            Description = "What is withstood: nobody, an aggregator that reads along, or one that lies once the graph is there.",
            DefaultValueFactory = _ => "split-view",
        };
        option.AcceptOnlyFromAmong([.. Adversaries.Keys]);
        return option;
    }

    private static Option<bool> JsonOption() => new("--json") { Description = "Prints the result as one line of JSON." };

    private static T InRange<T>(T value, T least, T most, string option)
        where T : IComparable<T> => value.CompareTo(least) >= 0 && value.CompareTo(most) <= 0
            ? value
            : throw new FedCoreException(FaultKind.Usage, "cli.option", $"{option} is {value}, but it is from {least} to {most}.");

    private sealed class Stages(TextWriter error) : IProgress<SessionStage>
    {
        public void Report(SessionStage value) => error.WriteLine($"stage {value.ToString().ToLowerInvariant()}");
    }
}
