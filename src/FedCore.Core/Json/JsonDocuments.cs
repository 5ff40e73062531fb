using System.Globalization;
using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;
using FedCore.Naming;

namespace FedCore.Json;

/// <summary>Reads FedCore's files: text to nodes, changes from the command line, checks against the schema, then the typed record.</summary>
public static class JsonDocuments
{
    private const string BrokenText =
        "a text holds half of a surrogate pair, such as \\ud83d without \\ude00 behind it, which is no character. Write the whole pair, or leave it out.";

    private static readonly JsonDocumentOptions ParseOptions = new()
    {
        CommentHandling = JsonCommentHandling.Skip,
        AllowTrailingCommas = true,
        AllowDuplicateProperties = false,
    };

    /// <summary>Parses a document whose root is an object. Comments and trailing commas are allowed.</summary>
    /// <param name="text">The text.</param>
    /// <param name="name">What to call the document in a message, such as its path.</param>
    /// <returns>The root, without a <c>$schema</c>.</returns>
    /// <exception cref="FedCoreException">The text is not such a document (<c>json.syntax</c>).</exception>
    public static JsonObject Parse(string text, string name)
    {
        try
        {
            JsonNode? node = JsonNode.Parse(text, documentOptions: ParseOptions);
            if (FirstBrokenText(node, "") is { } broken)
                throw FedCoreException.Configuration("json.schema", $"{name}: {broken}: {BrokenText}");
            JsonObject root = node as JsonObject
                ?? throw FedCoreException.Configuration("json.syntax", $"{name}: the file must hold one JSON object, {{ ... }}.");
            root.Remove("$schema");
            return root;
        }
        catch (JsonException fault)
        {
            string place = fault.LineNumber is { } line
                ? string.Create(CultureInfo.InvariantCulture, $" line {line + 1}, column {fault.BytePositionInLine + 1}")
                : "";
            throw FedCoreException.Configuration("json.syntax", $"{name}{place}: this is not valid JSON. {FirstSentence(fault.Message)}", fault);
        }
        catch (InvalidOperationException fault)
        {
            throw FedCoreException.Configuration("json.schema", $"{name}: a key: {BrokenText}", fault);
        }
    }

    /// <summary>Changes one value: <c>strategy.mu=1</c>, <c>model.layers[0].outputs=64</c>. Missing objects on the way are made.</summary>
    /// <param name="root">The document.</param>
    /// <param name="assignment">Path, equals sign, value; what is not JSON is taken as text.</param>
    /// <exception cref="FedCoreException">The assignment cannot be read or its place is not there (<c>json.set</c>).</exception>
    public static void Set(JsonObject root, string assignment)
    {
        ArgumentNullException.ThrowIfNull(root);
        ArgumentNullException.ThrowIfNull(assignment);
        int equals = assignment.IndexOf('=', StringComparison.Ordinal);
        if (equals <= 0) throw SetFault(assignment, "write it as path=value, such as strategy.mu=0.1");
        List<object> steps = ParsePath(assignment[..equals], assignment);
        JsonNode node = root;
        for (int i = 0; i < steps.Count - 1; i++)
        {
            JsonNode? child = Child(node, steps[i], assignment);
            if (child is null && steps[i] is string key && steps[i + 1] is string) node.AsObject()[key] = child = new JsonObject();
            node = child ?? throw SetFault(assignment, $"there is nothing at '{steps[i]}'");
        }

        JsonNode? value = ParseValue(assignment[(equals + 1)..], assignment);
        if (steps[^1] is int index)
        {
            _ = Child(node, index, assignment);
            node.AsArray()[index] = value;
        }
        else
        {
            _ = Child(node, steps[^1], assignment);
            node.AsObject()[(string)steps[^1]] = value;
        }
    }

    /// <summary>Checks a document against the schema of a type and reads it.</summary>
    /// <typeparam name="T">The type.</typeparam>
    /// <param name="document">The document.</param>
    /// <param name="registry">The names that may stand in it.</param>
    /// <param name="name">What to call the document in a message, such as its path.</param>
    /// <param name="place">Where in its file the document stands, such as <c>client</c>; empty where it is all of it.</param>
    /// <returns>The record.</returns>
    /// <exception cref="FedCoreException">It breaks the schema (<c>json.schema</c>).</exception>
    public static T Read<T>(JsonObject document, Registry registry, string name, string place = "")
    {
        if (new SchemaValidator(JsonSchemas.For<T>(registry), registry.OtherNames).FirstFault(document, place) is { } fault)
            throw FedCoreException.Configuration("json.schema", $"{name}: {fault}");
        try
        {
            return document.Deserialize<T>(FedCoreJson.Options(registry))!;
        }
        catch (Exception cause) when (cause is JsonException or TargetInvocationException)
        {
            string where = cause is JsonException { Path: { } path } ? $" {Shown.Of($"{place}.{path.TrimStart('$', '.')}".Trim('.'), 200)}:" : "";
            throw FedCoreException.Configuration("json.schema", $"{name}:{where} {FirstSentence(cause.Message)}", cause);
        }
    }

    private static JsonNode? ParseValue(string text, string assignment)
    {
        try
        {
            JsonNode? value = JsonNode.Parse(text, documentOptions: ParseOptions);
            return FirstBrokenText(value, "") is null ? value : throw SetFault(assignment, BrokenText.TrimEnd('.'));
        }
        catch (JsonException)
        {
            return JsonValue.Create(text);
        }
        catch (InvalidOperationException)
        {
            throw SetFault(assignment, BrokenText.TrimEnd('.'));
        }
    }

    // A text with half of a surrogate pair is valid JSON, but no text; it is found only when somebody wants it.
    private static string? FirstBrokenText(JsonNode? node, string path)
    {
        try
        {
            switch (node)
            {
                case JsonObject map:
                    foreach ((string key, JsonNode? value) in map)
                        if (FirstBrokenText(value, path.Length == 0 ? Shown.Of(key) : $"{path}.{Shown.Of(key)}") is { } inMap) return inMap;
                    break;
                case JsonArray list:
                    for (int i = 0; i < list.Count; i++)
                        if (FirstBrokenText(list[i], $"{path}[{i}]") is { } inList) return inList;
                    break;
                case JsonValue value when value.GetValueKind() == JsonValueKind.String:
                    value.GetValue<string>();
                    break;
            }

            return null;
        }
        catch (InvalidOperationException)
        {
            return path.Length == 0 ? "The file" : path;
        }
    }

    private static JsonNode? Child(JsonNode node, object step, string assignment) => (node, step) switch
    {
        (JsonObject map, string key) => map[key],
        (JsonArray list, int index) when index >= 0 && index < list.Count => list[index],
        (JsonArray list, int index) => throw SetFault(assignment, $"there is no entry [{index}]; the list has {list.Count}"),
        (JsonArray, string key) => throw SetFault(assignment, $"'{key}' is no entry of a list; an index is written as in layers[0]"),
        _ => throw SetFault(assignment, $"'{step}' does not lead anywhere in {node.GetValueKind().ToString().ToLowerInvariant()}"),
    };

    private static List<object> ParsePath(string path, string assignment)
    {
        var steps = new List<object>();
        foreach (string part in path.Split('.'))
        {
            int bracket = part.IndexOf('[', StringComparison.Ordinal);
            string key = bracket < 0 ? part : part[..bracket];
            if (key.Length == 0) throw SetFault(assignment, "the path has an empty part");
            steps.Add(key);
            for (string rest = bracket < 0 ? "" : part[bracket..]; rest.Length > 0;)
            {
                int end = rest.IndexOf(']', StringComparison.Ordinal);
                if (rest[0] != '[' || !int.TryParse(rest.AsSpan(1, Math.Max(0, end - 1)), NumberStyles.None, CultureInfo.InvariantCulture, out int index))
                    throw SetFault(assignment, "an index is written as in layers[0]");
                steps.Add(index);
                rest = rest[(end + 1)..];
            }
        }

        return steps;
    }

    private static FedCoreException SetFault(string assignment, string remedy) =>
        new(FaultKind.Usage, "json.set", $"--set {Shown.Of(assignment, 200)}: {remedy}.");

    private static string FirstSentence(string message)
    {
        int end = message.IndexOf(". ", StringComparison.Ordinal);
        return Shown.Of(end < 0 ? message : message[..(end + 1)], 400);
    }
}
