using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using FedCore.Cli.Commands;

namespace FedCore.Cli.Tests;

/// <summary>The tables of a program's settings as docs/reference/settings.md has them, from the schema that checks the settings.</summary>
internal static class SettingsPage
{
    public static string TablesOf(string section)
    {
        JsonNode schema = JsonNode.Parse(SchemaCommand.Text(section))!["properties"]![section]!;
        var rows = new List<string>();
        var parts = new List<(string Key, JsonNode Schema)>();
        AddRows(rows, parts, "", schema);
        var text = new StringBuilder(Table(rows));
        foreach ((string key, JsonNode part) in parts)
        {
            rows.Clear();
            AddRows(rows, [], key + ".", part);
            text.Append($"\n### `{key}` of type `{part["properties"]!["type"]!["const"]}`\n\n{part["description"]}\n");
            if (rows.Count > 0) text.Append('\n').Append(Table(rows));
        }

        return text.ToString();
    }

    private static string Table(IEnumerable<string> rows) => $"| setting | default | values | what |\n|---|---|---|---|\n{string.Concat(rows)}";

    private static void AddRows(List<string> rows, List<(string, JsonNode)> parts, string path, JsonNode schema)
    {
        string[] needed = [.. (schema["required"] as JsonArray ?? []).Select(name => name!.GetValue<string>())];
        foreach ((string name, JsonNode? property) in schema["properties"] as JsonObject ?? [])
        {
            if (property!["const"] is not null) continue;
            string initial = needed.Contains(name) ? "needed" : property["default"] is JsonNode value and not JsonObject ? $"`{value.ToJsonString(Relaxed)}`" : "";
            rows.Add($"| `{path}{name}` | {initial} | {ValuesOf(property)} | {property["description"]!.GetValue<string>().Replace("|", "\\|", StringComparison.Ordinal)} |\n");
            parts.AddRange((property["anyOf"] as JsonArray ?? []).Select(part => (path + name, part!)));
            AddRows(rows, parts, $"{path}{name}.", property);
            if (property["items"] is { } items) AddRows(rows, parts, $"{path}{name}[0].", items);
        }
    }

    private static string ValuesOf(JsonNode property)
    {
        if (property["anyOf"] is JsonArray parts) return "an object with a `type`: " + string.Join(", ", parts.Select(part => $"`{part!["properties"]!["type"]!["const"]}`"));
        if (property["enum"] is JsonArray names) return string.Join(", ", names.Select(name => $"`{name!.ToJsonString(Relaxed)}`"));
        string type = property["type"] is JsonArray several ? several[0]!.GetValue<string>() : property["type"]!.GetValue<string>();
        return type switch
        {
            "integer" or "number" when property["minimum"] is null => "a number",
            "integer" or "number" when property["maximum"] is null && property["exclusiveMaximum"] is null => $"{property["minimum"]} or more",
            "integer" or "number" => $"{property["minimum"]} to {(property["exclusiveMaximum"] is { } below ? $"below {below}" : property["maximum"])}",
            "boolean" => "`true`, `false`",
            "array" => "a list",
            "string" => "text",
            _ => "an object",
        };
    }

    private static readonly JsonSerializerOptions Relaxed = new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
}
