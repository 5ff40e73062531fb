using System.CommandLine;
using System.Reflection;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using FedCore.Aggregation;
using FedCore.Json;
using FedCore.Naming;
using FedCore.Rounds;
using FedCore.Rounds.Selection;
using FedCore.Rounds.Staleness;
using FedCore.Simulation;
using FedCore.Strategies;
using FedCore.Strategies.Server;
using FedCore.Strategies.Statistics;
using FedCore.Updates;

namespace FedCore.Cli.Commands;

/// <summary><c>fedcore strategies</c>: every algorithm that a run file can name, with its paper, its parameters and what it goes with.</summary>
internal static class StrategiesCommand
{
    private static readonly (Type Kind, string Title, string Place)[] Kinds =
    [
        (typeof(IStrategy), "Strategies", "strategy"),
        (typeof(IServerOptimizer), "Server optimizers", "strategy.server"),
        (typeof(IAggregator), "Aggregation", "aggregator"),
        (typeof(IUpdateTransform), "Transforms of updates", "transforms"),
        (typeof(ICohortSelection), "Cohorts", "rounds.cohort"),
        (typeof(IStalenessWeighting), "Staleness in buffered runs", "rounds.buffer.staleness"),
    ];

    // What a strategy may be put together with, as a change of a run file. Whether it goes is found out by trying.
    private static readonly (string Title, string[] Assignments)[] Companions =
    [
        ("secure aggregation", ["secureAggregation={}", "training.maxExamples=1000"]),
        ("buffered rounds", ["rounds.buffer={}"]),
        ("median", ["aggregator={\"type\":\"median\"}", "disclosures=[\"individualUpdates\"]"]),
        ("Krum", ["aggregator={\"type\":\"krum\"}", "disclosures=[\"individualUpdates\"]"]),
        ("4 bits", ["transforms=[{\"type\":\"int4\"}]"]),
        ("top-k", ["transforms=[{\"type\":\"topK\"}]"]),
        ("momentum at clients", ["training.optimizer={\"type\":\"sgd\",\"momentum\":0.9}"]),
        ("Adam at clients", ["training.optimizer={\"type\":\"adam\"}"]),
    ];

    public static Command Create(TextWriter output)
    {
        var command = new ExampleCommand(
            "strategies",
            "Prints every strategy, server optimizer, aggregation rule, transform and cohort as Markdown: paper, parameters, defaults, and what goes together.",
            "fedcore strategies | less");
        command.SetAction(_ => output.Write(Text()));
        return command;
    }

    /// <summary>The page.</summary>
    public static string Text()
    {
        Registry registry = Registry.CreateDefault().AddSimulation();
        var page = new StringBuilder();
        page.Append("""
            # Strategies, and what goes with them

            This page is printed by `fedcore strategies`. A name stands in a run file as `"type"`, its parameters beside it:
            `"strategy": {"type": "fedprox", "mu": 0.1, "server": {"type": "adam"}}`. Parameters that are left out have their default.


            """);
        AppendCompositions(page, registry);
        foreach ((Type kind, string title, string place) in Kinds)
        {
            page.Append($"## {title}\n\n`{place}`\n\n");
            foreach ((string name, Type type) in registry.NamesOf(kind)) Append(page, registry, name, type);
        }

        page.Append("## Buffered rounds\n\n`rounds.buffer`\n\n");
        Append(page, registry, null, typeof(BufferPolicy));
        return page.ToString().TrimEnd('\n') + "\n";
    }

    // What a question must have.
    private static readonly string[] Question = ["strategy.columns=[{\"name\":\"0\",\"from\":0,\"to\":1}]", "evaluation.every=0"];

    private static void AppendCompositions(StringBuilder page, Registry registry)
    {
        page.Append("## What goes together\n\nFound out by defining such a run, with the strategy's defaults and, of statistics, one column. What is refused is refused with the reason when a run is defined.\n\n");
        page.Append($"| strategy | linear | keeps a state at clients | {string.Join(" | ", Companions.Select(companion => companion.Title))} |\n");
        page.Append($"|---|{string.Concat(Enumerable.Repeat("---|", Companions.Length + 2))}\n");
        foreach ((string name, Type type) in registry.NamesOf(typeof(IStrategy)))
        {
            var strategy = (IStrategy)Activator.CreateInstance(type)!;
            IEnumerable<string> cells = Companions.Select(companion => Goes(registry, name, [.. strategy is FederatedStatistics ? Question : [], .. companion.Assignments]) ? "yes" : "refused");
            page.Append($"| [{name}](#{name}) | {(strategy.IsLinear ? "yes" : "")} | {(strategy.KeepsClientState ? "yes" : "")} | {string.Join(" | ", cells)} |\n");
        }

        page.Append('\n');
    }

    private static bool Goes(Registry registry, string strategy, string[] assignments)
    {
        JsonObject file = JsonDocuments.Parse("""
            {
              "name": "composition", "model": { "input": [2], "layers": [{ "type": "linear", "outputs": 2 }], "loss": { "type": "softmaxCrossEntropy" } },
              "strategy": {}, "training": { "learningRate": 0.1 }, "rounds": { "count": 1, "cohort": { "type": "uniform", "size": 10 } }
            }
            """, "composition");
        JsonDocuments.Set(file, $"strategy.type={strategy}");
        foreach (string assignment in assignments) JsonDocuments.Set(file, assignment);
        try
        {
            RunPlan.Create(JsonDocuments.Read<RunDefinition>(file, registry, "composition"), registry).CheckPopulation(100);
            return true;
        }
        catch (FedCoreException)
        {
            return false;
        }
    }

    private static void Append(StringBuilder page, Registry registry, string? name, Type type)
    {
        if (name is not null) page.Append($"### {name}\n\n");
        page.Append(DocumentationComments.SummaryOf(type)).Append("\n\n");
        foreach (PaperAttribute paper in type.GetCustomAttributes<PaperAttribute>()) page.Append($"Paper: [{paper.Citation}]({paper.Link})\n\n");
        JsonSerializerOptions options = FedCoreJson.Options(registry);
        object defaults = Activator.CreateInstance(type)!;
        var rows = new List<string>();
        foreach (var property in options.GetTypeInfo(type).Properties)
        {
            if (property.AttributeProvider is not PropertyInfo member) continue;
            JsonNode? value = JsonSerializer.SerializeToNode(property.Get!(defaults), property.PropertyType, options);
            rows.Add($"| `{property.Name}` | {Code(value)} | {DocumentationComments.SummaryOf(member)?.Replace("|", "\\|", StringComparison.Ordinal)} |\n");
        }

        if (rows.Count > 0) page.Append("| parameter | default | |\n|---|---|---|\n").AppendJoin("", rows).Append('\n');
    }

    private static string Code(JsonNode? value) => value is null ? "none" : $"`{value.ToJsonString()}`";
}
