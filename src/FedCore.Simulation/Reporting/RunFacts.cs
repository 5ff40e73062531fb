using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using FedCore.Aggregation;
using FedCore.Json;
using FedCore.Rounds;
using FedCore.Training.Partitioning;

namespace FedCore.Simulation.Reporting;

/// <summary>What was run, in a few lines: strategy, data, how it was dealt out, devices.</summary>
internal sealed class RunFacts
{
    private const int MaxValue = 120;

    private readonly StringBuilder _list = new("<dl class=\"facts\">");
    private readonly JsonSerializerOptions _options;

    private RunFacts(RunPlan plan) => _options = FedCoreJson.Options(plan.Registry);

    /// <summary>Draws the lines as a list of terms.</summary>
    /// <param name="plan">The run.</param>
    /// <param name="simulation">Where its clients came from; null where a program made them.</param>
    /// <param name="clients">Number of clients.</param>
    /// <param name="state">What it came to.</param>
    public static string Draw(RunPlan plan, SimulationDefinition? simulation, long clients, RunState state)
    {
        var facts = new RunFacts(plan);
        facts.Append("strategy", facts.Describe(plan.Registry.NameOf(plan.Definition.Strategy), plan.Definition.Strategy));
        if (plan.Definition.Aggregator is not WeightedMean) facts.Append("aggregator", facts.Describe(plan.Registry.NameOf(plan.Definition.Aggregator), plan.Definition.Aggregator));
        if (plan.Definition.Transforms is { Count: > 0 } transforms)
            facts.Append("transforms", string.Join(", then ", transforms.Select(transform => facts.Describe(plan.Registry.NameOf(transform), transform))));
        if (plan.Definition.Rounds.Buffer is { } buffer) facts.Append("buffer", facts.Describe(null, buffer));
        if (state.Rounds.LastOrDefault(round => round.Privacy is not null)?.Privacy is { } privacy)
            foreach ((string term, string text) in PrivacyFigures.Facts(privacy)) facts.Append(term, text);
        if (simulation is { Data: { } data })
        {
            IPartitioner partition = simulation.Partition ?? new NaturalPartitioner();
            facts.Append("data", facts.Describe(plan.Registry.NameOf(data), data, onlyUnusual: true));
            facts.Append("partition", facts.Describe(plan.Registry.NameOf(partition), partition));
        }

        if (simulation is { Clients: { } generator }) facts.Append("data", facts.Describe(plan.Registry.NameOf(generator), generator));
        if (simulation is { Devices.Count: > 0 }) facts.Append("devices", string.Join(", ", simulation.Devices.Select(device => device.Name)));
        if (simulation is { Stragglers: { } stragglers }) facts.Append("stragglers", facts.Describe(null, stragglers));
        if (simulation is { Attackers: { } attackers }) facts.Append("attackers", facts.Describe(null, attackers));
        facts.Append("clients", $"{clients:N0}");
        long own = plan.Model.Schema.LocalCount;
        facts.Append("model", $"{plan.Model.Schema.TrainableCount:N0} parameters{(own > 0 ? $", and {own:N0} of each client's own" : "")}");
        facts.Append("run", plan.Hash);
        return facts._list.Append("</dl>").ToString();
    }

    private void Append(string term, string text) => _list.Append($"<dt>{term}</dt><dd>{Html.Escape(text)}</dd>");

    // The type's name, then its parameters as they stand in the file. Of a data source the usual ones, such as delimiters, say nothing.
    private string Describe(string? name, object part, bool onlyUnusual = false)
    {
        object? usual = onlyUnusual ? Activator.CreateInstance(part.GetType()) : null;
        IEnumerable<string> parameters =
            from property in _options.GetTypeInfo(part.GetType()).Properties
            let value = JsonSerializer.SerializeToNode(property.Get!(part), property.PropertyType, _options)
            where value is not null and not JsonArray { Count: 0 } and not JsonObject { Count: 0 }
            where usual is null || !JsonNode.DeepEquals(value, JsonSerializer.SerializeToNode(property.Get!(usual), property.PropertyType, _options))
            select $"{property.Name} {Text(value)}";
        return string.Join(" · ", name is null ? parameters : parameters.Prepend(name));
    }

    private static string Parameters(JsonObject map)
    {
        string all = string.Join(", ", map.Where(item => item is { Key: not FedCoreJson.Discriminator, Value: not null }).Select(item => $"{item.Key} {Text(item.Value!)}"));
        return all.Length > 0 ? $"({all})" : "";
    }

    private static string Text(JsonNode value)
    {
        string text = value switch
        {
            JsonArray list => string.Join(", ", list.Select(item => item is null ? "null" : Text(item))),
            JsonObject map when map[FedCoreJson.Discriminator] is { } type => $"{type} {Parameters(map)}".TrimEnd(),
            JsonObject map => string.Join(", ", map.Select(item => $"{item.Key}: {(item.Value is null ? "null" : Text(item.Value))}")),
            _ => value.ToString(),
        };
        return text.Length <= MaxValue ? text : text[..(MaxValue - 1)] + "…";
    }
}
