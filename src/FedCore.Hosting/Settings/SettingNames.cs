using System.Globalization;
using System.Text.Json.Nodes;

namespace FedCore.Hosting.Settings;

/// <summary>
/// Finds settings by names that may have been written in capitals, as environment variables are, and says of which a value is text whatever it looks like: a token
/// may consist of digits.
/// </summary>
/// <param name="schema">The schema of the settings.</param>
internal sealed class SettingNames(JsonObject schema)
{
    /// <summary>Finds a setting.</summary>
    /// <param name="path">Its path, with dots; numbers are places in lists.</param>
    /// <param name="settings">What is set already, by which the type of a data source is known.</param>
    /// <returns>The path as it is written in the file, and whether its value is text. What is not known stays as it is.</returns>
    public (string Path, bool IsText) Find(string path, JsonObject settings)
    {
        JsonNode? place = schema, value = settings;
        var steps = new List<string>();
        foreach (string step in path.Split('.'))
        {
            string name = step, index = "";
            if (step.IndexOf('[', StringComparison.Ordinal) is > 0 and var bracket) (name, index) = (step[..bracket], step[bracket..]);
            place = Resolve(place, value);
            if (int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && steps.Count > 0)
            {
                steps[^1] += $"[{name}]";
                (place, value) = (place?["items"], (value as JsonArray)?.ElementAtOrDefault(number));
                continue;
            }

            if (place?["properties"] is JsonObject properties && properties.Select(property => property.Key).FirstOrDefault(key => key.Equals(name, StringComparison.OrdinalIgnoreCase)) is { } exact)
                (name, place) = (exact, properties[exact]);
            else place = place?["additionalProperties"] as JsonObject;
            value = (value as JsonObject)?[name];
            steps.Add(name + index);
            if (index.Length > 0) place = Resolve(place, value)?["items"];
        }

        return (string.Join('.', steps), IsText(Resolve(place, value)));
    }

    private static bool IsText(JsonNode? place) => place?["type"] switch
    {
        JsonValue one => one.GetValue<string>() == "string",
        JsonArray several => several.All(type => type!.GetValue<string>() is "string" or "null"),
        _ => false,
    };

    // Of types that a registry names, the one that is set; before one is, any that is there.
    private JsonNode? Resolve(JsonNode? place, JsonNode? value)
    {
        if (place?["$ref"]?.GetValue<string>() is { } reference)
        {
            JsonNode? node = schema;
            foreach (string part in reference.TrimStart('#').Split('/', StringSplitOptions.RemoveEmptyEntries))
                node = node is JsonArray list ? list[int.Parse(part, CultureInfo.InvariantCulture)] : node?[Uri.UnescapeDataString(part)];
            return Resolve(node, value);
        }

        if (place?["anyOf"] is not JsonArray branches) return place;
        string? type = (value as JsonObject)?["type"]?.ToString();
        return branches.FirstOrDefault(branch => type is not null && branch?["properties"]?["type"]?["const"]?.ToString() == type)
            ?? new JsonObject { ["properties"] = new JsonObject { ["type"] = new JsonObject { ["type"] = "string" } } };
    }
}
