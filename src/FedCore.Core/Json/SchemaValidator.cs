using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace FedCore.Json;

/// <summary>
/// Checks a JSON document against a schema that <see cref="JsonSchemas"/> made, and says of the first fault where it is, what stands there and what may.
/// It knows the keywords that these schemas use and no others.
/// </summary>
/// <param name="root">The schema.</param>
/// <param name="otherNames">What to say of a type's name that the field uses and the schema does not.</param>
internal sealed class SchemaValidator(JsonObject root, IReadOnlyDictionary<string, string> otherNames)
{
    /// <summary>Finds the first fault in document order.</summary>
    /// <param name="document">The document.</param>
    /// <param name="place">Where in its file it stands; empty where it is all of it.</param>
    /// <returns>A sentence such as <c>strategy.mu is -1: it must be at least 0.</c>, or null.</returns>
    public string? FirstFault(JsonNode? document, string place = "") => Check(root, document, place);

    private string? Check(JsonNode? schemaNode, JsonNode? value, string path)
    {
        if (schemaNode is not JsonObject schema) return null;
        if (schema["$ref"]?.GetValue<string>() is { } reference) return Check(Resolve(reference), value, path);
        if (schema["anyOf"] is JsonArray branches) return CheckNamed(schema, branches, value, path);
        return CheckType(schema, value, path)
            ?? CheckEnum(schema, value, path)
            ?? value switch
            {
                JsonObject map => CheckObject(schema, map, path),
                JsonArray list => CheckArray(schema, list, path),
                JsonValue scalar => CheckScalar(schema, scalar, path),
                _ => null,
            };
    }

    // A type that a registry names: anyOf over its names, each with a constant "type".
    private string? CheckNamed(JsonObject schema, JsonArray branches, JsonNode? value, string path)
    {
        if (value is null && Allows(schema, "null")) return null;
        Dictionary<string, JsonObject> byName = [];
        foreach (JsonNode? branch in branches)
        {
            JsonObject target = branch!.AsObject();
            if (target["properties"]?[FedCoreJson.Discriminator]?["const"]?.GetValue<string>() is { } name) byName[name] = target;
        }

        string names = string.Join(", ", byName.Keys);
        if (value is not JsonObject map)
            return $"{Place(path)} is {Show(value)}: it must be an object with a \"type\", one of: {names}.";
        if (map[FedCoreJson.Discriminator] is not { } discriminator)
            return $"{Place(path)} has no \"type\". Add one of: {names}.";
        if (discriminator.GetValueKind() != JsonValueKind.String || !byName.TryGetValue(discriminator.GetValue<string>(), out JsonObject? found))
        {
            string given = discriminator.GetValueKind() == JsonValueKind.String ? discriminator.GetValue<string>() : "";
            string hint = otherNames.TryGetValue(given, out string? other) ? " " + other : Hint(given, byName.Keys);
            return $"{Place(Join(path, FedCoreJson.Discriminator))} is {Show(discriminator)}, which is not known.{hint} Known: {names}.";
        }

        return CheckObject(found, map, path);
    }

    private string? CheckObject(JsonObject schema, JsonObject map, string path)
    {
        JsonObject? properties = schema["properties"]?.AsObject();
        if (properties is null) return null;
        foreach ((string key, _) in map)
        {
            if (properties.ContainsKey(key) || schema["additionalProperties"] is not JsonValue closed || closed.GetValue<bool>()) continue;
            IEnumerable<string> known = properties.Select(p => p.Key);
            return $"{Place(Join(path, key))} is not known.{Hint(key, known)} Known here: {string.Join(", ", known)}.";
        }

        foreach (JsonNode? required in schema["required"] as JsonArray ?? [])
        {
            string key = required!.GetValue<string>();
            if (!map.ContainsKey(key)) return $"{Place(path)} has no \"{key}\", which it needs. Add it.";
        }

        foreach ((string key, JsonNode? value) in map)
        {
            if (properties.TryGetPropertyValue(key, out JsonNode? property) && Check(property, value, Join(path, key)) is { } fault) return fault;
        }

        return null;
    }

    private string? CheckArray(JsonObject schema, JsonArray list, string path)
    {
        if (schema["minItems"]?.GetValue<int>() is { } least && list.Count < least)
            return $"{Place(path)} has {list.Count} entries: it needs at least {least}.";
        if (schema["maxItems"]?.GetValue<int>() is { } most && list.Count > most)
            return $"{Place(path)} has {list.Count} entries: it may have at most {most}.";
        for (int i = 0; i < list.Count; i++)
            if (Check(schema["items"], list[i], $"{path}[{i}]") is { } fault) return fault;
        return null;
    }

    private static string? CheckScalar(JsonObject schema, JsonValue value, string path)
    {
        if (value.GetValueKind() == JsonValueKind.Number)
        {
            double number = value.Deserialize<double>();
            if (number < Limit(schema, "minimum") || number <= Limit(schema, "exclusiveMinimum") || number > Limit(schema, "maximum") || number >= Limit(schema, "exclusiveMaximum"))
                return Out(path, value, Range(schema)) + Default(schema);
            if (OutOfFormat(schema, value) is { } range) return Out(path, value, range);
            if (!double.IsFinite(number)) return Out(path, value, string.Create(CultureInfo.InvariantCulture, $"from {double.MinValue:R} to {double.MaxValue:R}"));
        }
        else if (value.GetValueKind() == JsonValueKind.String)
        {
            if (schema["format"]?.GetValue<string>() == "time" && !TimeOnly.TryParse(value.GetValue<string>(), CultureInfo.InvariantCulture, out _))
                return Out(path, value, "a time of day, such as \"06:00\"");
            int length = value.GetValue<string>().Length;
            if (Limit(schema, "minLength") is { } least && length < least) return Out(path, value, $"at least {Text(least)} {(least == 1 ? "character" : "characters")} long");
            if (Limit(schema, "maxLength") is { } most && length > most) return Out(path, value, $"at most {Text(most)} {(most == 1 ? "character" : "characters")} long");
        }

        return null;
    }

    private static string Range(JsonObject schema) => string.Join(" and ", new[]
    {
        ("minimum", "at least"), ("exclusiveMinimum", "above"), ("maximum", "at most"), ("exclusiveMaximum", "below"),
    }.Where(limit => schema.ContainsKey(limit.Item1)).Select(limit => $"{limit.Item2} {Text(Limit(schema, limit.Item1)!.Value)}"));

    private static string Default(JsonObject schema) =>
        (schema["default"] is { } value ? $" The default is {Show(value)}." : "") + (schema[JsonSchemas.PaperKeyword] is { } paper ? $" {paper.GetValue<string>()}" : "");

    // A whole number that the type's own words cannot hold; a double is too coarse to tell.
    private static string? OutOfFormat(JsonObject schema, JsonValue value)
    {
        string text = value.ToJsonString();
        return schema["format"]?.GetValue<string>() switch
        {
            "int32" when !int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out _) =>
                string.Create(CultureInfo.InvariantCulture, $"a whole number from {int.MinValue} to {int.MaxValue}"),
            "int64" when !long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out _) =>
                string.Create(CultureInfo.InvariantCulture, $"a whole number from {long.MinValue} to {long.MaxValue}"),
            _ => null,
        };
    }

    private static string? CheckType(JsonObject schema, JsonNode? value, string path)
    {
        if (schema["type"] is not { } type) return null;
        string actual = value?.GetValueKind() switch
        {
            null or JsonValueKind.Null => "null",
            JsonValueKind.Object => "object",
            JsonValueKind.Array => "array",
            JsonValueKind.String => "string",
            JsonValueKind.Number => IsInteger(value) ? "integer" : "number",
            _ => "boolean",
        };
        if (Allows(schema, actual) || (actual == "integer" && Allows(schema, "number"))) return null;
        IEnumerable<string> allowed = type is JsonArray many ? many.Select(t => t!.GetValue<string>()) : [type.GetValue<string>()];
        return $"{Place(path)} is {Show(value)}: it must be {string.Join(" or ", allowed.Select(TypeName))}.";
    }

    private static string? CheckEnum(JsonObject schema, JsonNode? value, string path)
    {
        if (schema["enum"] is not JsonArray values || values.Any(allowed => JsonNode.DeepEquals(allowed, value))) return null;
        return $"{Place(path)} is {Show(value)}: it must be one of {string.Join(", ", values.Select(Show))}.";
    }

    private static bool IsInteger(JsonNode value) => value.Deserialize<double>() is var number && number == Math.Floor(number)
        && !value.ToJsonString().AsSpan().ContainsAny('.', 'e', 'E');

    private static bool Allows(JsonObject schema, string type) => schema["type"] switch
    {
        JsonArray many => many.Any(t => t!.GetValue<string>() == type),
        JsonValue one => one.GetValue<string>() == type,
        _ => false,
    };

    private static double? Limit(JsonObject schema, string keyword) => schema[keyword]?.Deserialize<double>();

    private static string Out(string path, JsonNode value, string limit) => $"{Place(path)} is {Show(value)}: it must be {limit}.";

    private static string Text(double number) => number.ToString(CultureInfo.InvariantCulture);

    private static string TypeName(string type) => type switch
    {
        "null" => "null",
        "object" => "an object",
        "array" => "a list",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        _ => "a text",
    };

    private static string Show(JsonNode? value)
    {
        if (value is JsonValue scalar && scalar.GetValueKind() == JsonValueKind.String) return $"\"{Shown.Of(scalar.GetValue<string>())}\"";
        return Shown.Of(value?.ToJsonString() ?? "null");
    }

    private static string Place(string path) => path.Length == 0 ? "The file" : path;

    private static string Join(string path, string key) => path.Length == 0 ? Shown.Of(key) : $"{path}.{Shown.Of(key)}";

    private static string Hint(string given, IEnumerable<string> known)
    {
        string? best = known.Where(k => Distance(given, k) <= Math.Max(1, k.Length / 3)).MinBy(k => Distance(given, k));
        return best is null ? "" : $" Did you mean \"{best}\"?";
    }

    // Levenshtein's distance, letters compared without case.
    private static int Distance(string a, string b)
    {
        int[] row = [.. Enumerable.Range(0, b.Length + 1)];
        for (int i = 1; i <= a.Length; i++)
        {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= b.Length; j++)
            {
                int cost = char.ToUpperInvariant(a[i - 1]) == char.ToUpperInvariant(b[j - 1]) ? 0 : 1;
                (diagonal, row[j]) = (row[j], Math.Min(Math.Min(row[j] + 1, row[j - 1] + 1), diagonal + cost));
            }
        }

        return row[b.Length];
    }

    private JsonNode? Resolve(string reference)
    {
        JsonNode? node = root;
        foreach (string part in reference.TrimStart('#').Split('/', StringSplitOptions.RemoveEmptyEntries))
        {
            string key = Uri.UnescapeDataString(part).Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal);
            node = node is JsonArray list ? list[int.Parse(key, CultureInfo.InvariantCulture)] : node?[key];
        }

        return node;
    }
}
