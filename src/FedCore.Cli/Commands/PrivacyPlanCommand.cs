using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using FedCore.Cli.Display;
using FedCore.Naming;
using FedCore.Privacy;
using FedCore.Rounds;
using FedCore.Simulation;
using FedCore.Simulation.Reporting;
using static System.FormattableString;

namespace FedCore.Cli.Commands;

/// <summary><c>fedcore privacy plan RUN.json</c>: what a run would spend by rounds, and what other budgets would take.</summary>
internal static class PrivacyPlanCommand
{
    private const int BarLength = 30;

    private static readonly double[] Budgets = [1, 2, 4, 8, 16];

    public static Command Create(TextWriter output)
    {
        var file = new Argument<string>("RUN.json") { Description = "The run file, with a \"privacy\" section." };
        var set = new Option<string[]>("--set") { Description = "Change a value of the run file, such as --set rounds.count=200. May be given several times.", HelpName = "path=value" };
        Option<long?> clients = NumberOption.Create<long>("--clients", "How many clients there are. [default: as many as the file's simulation has, or a cohort]");
        Option<long?> examples = NumberOption.Create<long>("--examples", "How many examples a site has, where each of them is hidden by itself.");
        var plot = new Option<string?>("--plot") { Description = "Write a page with the epsilons by round to this file.", HelpName = "FILE.html" };
        var json = new Option<bool>("--json") { Description = "Prints the result as one line of JSON." };
        var command = new ExampleCommand(
            "plan", "Prints what a run would spend, round by round, what noise other budgets would take, and how much of the mean it would leave to be seen.",
            "fedcore privacy plan run.json --clients 1000 --plot privacy.html") { file, set, clients, examples, plot, json };
        command.SetAction(parsed =>
        {
            Registry registry = Registry.CreateDefault().AddSimulation();
            RunDefinition run = RunFile.LoadRun(parsed.GetValue(file)!, parsed.GetValue(set) ?? [], registry);
            if (run.Privacy is null)
                throw FedCoreException.Configuration("privacy.none", "The run promises no privacy: it has no \"privacy\" section. Add one, such as --set 'privacy={\"clip\":1,\"epsilon\":8,\"delta\":1e-5}'.");
            RunPlan plan = RunPlan.Create(run, registry);
            bool isOfExamples = plan.Privacy!.Policy.Unit == PrivacyUnit.Example;
            long population = (isOfExamples, parsed.GetValue(clients), parsed.GetValue(examples)) switch
            {
                (true, not null, _) => throw PrivacyQuestion.Usage("--clients changes nothing where each example is hidden by itself. Leave it out, and say --examples."),
                (false, _, not null) => throw PrivacyQuestion.Usage("--examples changes nothing where whole clients are hidden. Leave it out."),
                (true, _, { } given) => given,
                (true, _, null) => throw PrivacyQuestion.Usage("What noise does to a site depends on how many examples it has. Say it, such as --examples 5000."),
                (false, { } given, _) => given,
                _ => RunFile.SimulatedClients(parsed.GetValue(file)!, parsed.GetValue(set) ?? [], registry) ?? Cohort(run),
            };
            if (population < 1) throw PrivacyQuestion.Usage($"{(isOfExamples ? "--examples" : "--clients")} is {population}, but it is at least 1.");
            double cohort = isOfExamples ? (plan.Privacy.BatchRate ?? 1) * population : plan.Privacy.ExpectedCohort(population);
            Row[] rounds = [.. RoundsOf(run.Rounds.Count).Select(count => new Row(count, Epsilon(plan, PrivacyAdversary.Recipients, count), Epsilon(plan, PrivacyAdversary.Aggregator, count)))];
            Choice[] choices = [.. Budgets.Append(run.Privacy.Epsilon ?? 8).Distinct().Order().Select(budget => ChoiceOf(run, registry, budget, cohort))];
            string? warning = PrivacyNumbers.DeltaWarning(run.Privacy.Delta, population);
            if (parsed.GetValue(plot) is { } path) PrivacyPlanPage.Write(path, plan);
            if (parsed.GetValue(json)) output.WriteLine(Json(plan, rounds, choices, warning).ToJsonString());
            else Write(output, plan, rounds, choices, cohort, warning);
            return 0;
        });
        return command;
    }

    private static void Write(TextWriter output, RunPlan plan, Row[] rounds, Choice[] choices, double cohort, string? warning)
    {
        bool isOfExamples = plan.Privacy!.Policy.Unit == PrivacyUnit.Example;
        double most = rounds.Max(row => Math.Max(row.Recipients ?? 0, row.Aggregator ?? 0));
        string Bar(Row row) => new('█', Math.Max(1, (int)Math.Round(BarLength * (row.Aggregator ?? row.Recipients ?? 0) / most)));
        output.WriteLine(Invariant($"Noise of {Up(plan.Privacy.NoiseMultiplier)} times the clip, {plan.Privacy.Policy.Clip}; means over {cohort:0.##} {(isOfExamples ? "examples" : "clients")}; delta {plan.Privacy.Policy.Delta}. Epsilon of {plan.Privacy.PlannedFor}:"));
        output.WriteLine();
        TextTable.Write(
            output, ["rounds", "against recipients", "against the aggregator", ""], [.. rounds.Select(row => (string[])[row.Rounds.ToString(CultureInfo.InvariantCulture), Shown(row.Recipients), Shown(row.Aggregator), Bar(row)])], "");
        output.WriteLine();
        output.WriteLine(Invariant($"For {(plan.Definition.Rounds.Count == 1 ? "the only round" : $"all {plan.Definition.Rounds.Count} rounds")}, against {(plan.Privacy.Against == PrivacyAdversary.Recipients ? "recipients" : "the aggregator")}:"));
        output.WriteLine();
        string[] head = ["epsilon", "noise multiplier", "rounds with this run's noise", "noise in each number of the mean", "noise over a clipped mean"];
        string[][] rows =
        [
            .. choices.Select(choice => (string[])[Invariant($"{choice.Epsilon}"), Up(choice.Noise), choice.Rounds, choice.Deviation.ToString("0.##e+0", CultureInfo.InvariantCulture), choice.OverSignal.ToString("0.##", CultureInfo.InvariantCulture)]),
        ];

        // A run that says an epsilon has no noise of its own to hold rounds with.
        bool[] isShown = [.. head.Select((_, column) => rows.Any(row => row[column].Length > 0))];
        string[] Shorten(string[] row) => [.. row.Where((_, column) => isShown[column])];
        TextTable.Write(output, Shorten(head), rows.Select(Shorten), "");
        output.WriteLine();
        string parts = plan.Definition.Strategy.TakesExampleMeans ? "examples" : isOfExamples ? "gradients" : "updates";
        output.WriteLine($"The last column compares lengths: of the noise, and of a mean whose {parts} all point one way."
            + (isOfExamples ? "" : " Noise of different rounds cancels where they add up: on MNIST a network of 200-200 reached 93 % at 4, and 88 % at 27."));
        if (warning is not null) output.WriteLine($"Warning: {warning}");
    }

    private static JsonObject Json(RunPlan plan, Row[] rounds, Choice[] choices, string? warning)
    {
        var answer = new JsonObject
        {
            ["noiseMultiplier"] = plan.Privacy!.NoiseMultiplier,
            ["delta"] = plan.Privacy.Policy.Delta,
            ["rounds"] = new JsonArray([.. rounds.Select(row => new JsonObject { ["rounds"] = row.Rounds, ["recipients"] = row.Recipients, ["aggregator"] = row.Aggregator })]),
            ["budgets"] = new JsonArray([.. choices.Select(choice => new JsonObject { ["epsilon"] = choice.Epsilon, ["noiseMultiplier"] = choice.Noise, ["deviation"] = choice.Deviation, ["overSignal"] = choice.OverSignal })]),
        };
        if (warning is not null) answer["warning"] = warning;
        return answer;
    }

    // What an epsilon over all rounds takes, and how many rounds it buys with the noise that the run has.
    private static Choice ChoiceOf(RunDefinition run, Registry registry, double epsilon, double cohort)
    {
        RunPlan needed = RunPlan.Create(run with { Privacy = run.Privacy! with { Epsilon = epsilon, NoiseMultiplier = null, StopWhenSpent = false } }, registry);
        double noise = needed.Privacy!.NoiseMultiplier;
        string rounds = "";
        if (run.Privacy.NoiseMultiplier is not null)
        {
            int affordable = RunPlan.Create(run with { Privacy = run.Privacy with { Epsilon = epsilon } }, registry).Privacy!.AffordableRounds();
            rounds = Invariant($"{affordable}{(affordable == run.Rounds.Count ? " or more" : "")}");
        }

        return new Choice(epsilon, noise, rounds, noise * run.Privacy.Clip / cohort, noise * Math.Sqrt(needed.Model.Schema.TrainableCount) / cohort);
    }

    private static long Cohort(RunDefinition run)
    {
        // Whoever asks a share of all must say how many all are.
        long least = run.Rounds.MinimumReports ?? 1;
        return run.Rounds.Cohort is Rounds.Selection.UniformSelection { Size: { } size } ? size : throw PrivacyQuestion.Usage($"The run's cohort depends on how many clients there are. Say it, such as --clients {Math.Max(1000, least)}.");
    }

    private static IEnumerable<int> RoundsOf(int count)
    {
        for (int decade = 1; decade > 0 && decade <= count; decade *= 10)
            foreach (int times in (int[])[1, 2, 5])
                if ((long)decade * times < count) yield return decade * times;
        yield return count;
    }

    private static double? Epsilon(RunPlan plan, PrivacyAdversary adversary, int rounds) => plan.Privacy!.PlannedEpsilon(adversary, rounds) is var epsilon && double.IsFinite(epsilon) ? epsilon : null;

    private static string Shown(double? epsilon) => epsilon is { } value ? (Math.Ceiling(value * 100) / 100).ToString("0.00", CultureInfo.InvariantCulture) : "no bound";

    private static string Up(double value) => (Math.Ceiling(value * 1e3) / 1e3).ToString("0.###", CultureInfo.InvariantCulture);

    private sealed record Row(int Rounds, double? Recipients, double? Aggregator);

    private sealed record Choice(double Epsilon, double Noise, string Rounds, double Deviation, double OverSignal);
}
