using System.Collections;
using System.Text.Json;
using System.Text.Json.Nodes;
using FedCore.Json;
using FedCore.Naming;
using FedCore.Naming.PlugIns;

namespace FedCore.Hosting.Settings;

/// <summary>Settings that were read, with what their plug-ins have brought along.</summary>
/// <typeparam name="T">The settings.</typeparam>
/// <param name="Settings">The settings.</param>
/// <param name="Registry">The names that settings and runs may use.</param>
/// <param name="PlugIns">The plug-ins that were loaded.</param>
/// <param name="Folder">The folder in which relative paths begin: that of the settings file, or the current one.</param>
internal sealed record ReadSettings<T>(T Settings, Registry Registry, IReadOnlyList<LoadedPlugIn> PlugIns, string Folder);

/// <summary>
/// Reads a program's settings: a section of a JSON file, changed by environment variables (<c>FEDCORE_CLIENT__TESTFRACTION=0.1</c>), and these by assignments
/// (<c>testFraction=0.1</c>). What they come to is read like a run file: an unknown key or a wrong value is a fault that says where it is.
/// </summary>
/// <param name="section">The section, such as <c>client</c>.</param>
/// <param name="registry">The names that settings may use; those of plug-ins are added.</param>
internal sealed class SettingsReader(string section, Registry registry)
{
    /// <summary>The name of a settings file where none is given.</summary>
    public const string DefaultFile = "appsettings.json";

    private const string PlugIns = "plugIns";

    private readonly string _prefix = $"FEDCORE_{section.ToUpperInvariant()}__";

    /// <summary>The environment variables of this process.</summary>
    public static IEnumerable<KeyValuePair<string, string>> ProcessEnvironment => Environment.GetEnvironmentVariables().Cast<DictionaryEntry>()
        .Select(variable => new KeyValuePair<string, string>((string)variable.Key, (string?)variable.Value ?? ""));

    /// <summary>Reads settings and loads their plug-ins.</summary>
    /// <typeparam name="T">The settings.</typeparam>
    /// <param name="file">The file; null for <see cref="DefaultFile"/>, which need not be there.</param>
    /// <param name="environment">Environment variables.</param>
    /// <param name="assignments">Paths below the section with their values.</param>
    /// <exception cref="FedCoreException">They cannot be read.</exception>
    public ReadSettings<T> Read<T>(string? file, IEnumerable<KeyValuePair<string, string>> environment, IReadOnlyList<string> assignments)
    {
        string path = Path.GetFullPath(file ?? DefaultFile), folder = Path.GetDirectoryName(path)!;
        JsonObject settings = Load(path, isNeeded: file is not null)[section] switch
        {
            JsonObject found => found,
            null when file is null => [],
            null => throw FedCoreException.Configuration($"{section}.settings", $"{path} has no section \"{section}\". Add it: \"{section}\": {{ ... }}."),
            _ => throw FedCoreException.Configuration($"{section}.settings", $"{path}: {section} must be an object, {{ ... }}."),
        };
        (string Name, string Path, string Value)[] changes =
        [
            // Of what has a type the other settings are known when the type is.
            .. environment.Where(variable => variable.Key.StartsWith(_prefix, StringComparison.OrdinalIgnoreCase))
                .OrderBy(variable => !variable.Key.EndsWith("__TYPE", StringComparison.OrdinalIgnoreCase)).ThenBy(variable => variable.Key.Length).ThenBy(variable => variable.Key, StringComparer.Ordinal)
                .Select(variable => (variable.Key, variable.Key[_prefix.Length..].Replace("__", ".", StringComparison.Ordinal), variable.Value)),
            .. assignments.Select(Split),
        ];
        Apply<T>(settings, changes.Where(IsOfPlugIns));
        string changed = Shown.List(changes.Select(change => change.Name)), name = changes.Length == 0 ? File.Exists(path) ? path : $"There are no settings: {path} is not there (another file is named with --settings)" : File.Exists(path) ? $"{path} with {changed}" : changed;
        IReadOnlyList<LoadedPlugIn> plugIns = [];
        if (settings[PlugIns] is { } listed)
        {
            // Their names may stand in the rest.
            var only = new JsonObject { [PlugIns] = listed.DeepClone() };
            plugIns = registry.LoadPlugIns(JsonDocuments.Read<PlugInSection>(only, registry, name, section).PlugIns, folder, $"{section}.{PlugIns}");
        }

        Apply<T>(settings, changes.Where(change => !IsOfPlugIns(change)));
        return new ReadSettings<T>(JsonDocuments.Read<T>(settings, registry, name, section), registry, plugIns, folder);
    }

    /// <summary>The JSON schema of a settings file. The file may have other sections, which are other programs' business.</summary>
    /// <typeparam name="T">The settings.</typeparam>
    /// <param name="describe">A description for a type or property, or null for none.</param>
    public JsonObject Schema<T>(Func<System.Reflection.MemberInfo, string?>? describe)
    {
        JsonObject settings = JsonSchemas.For<T>(registry, describe);
        MoveReferences(settings, $"#/properties/{section}");
        return new JsonObject { ["type"] = "object", ["properties"] = new JsonObject { [section] = settings } };
    }

    private static void MoveReferences(JsonNode? node, string root)
    {
        if (node is JsonObject { } target && target["$ref"]?.GetValue<string>() is { } reference) target["$ref"] = root + reference.TrimStart('#');
        foreach (JsonNode? child in node switch { JsonObject map => map.Select(pair => pair.Value), JsonArray list => list, _ => [] }) MoveReferences(child, root);
    }

    private JsonObject Load(string path, bool isNeeded)
    {
        try
        {
            return File.Exists(path) || isNeeded ? JsonDocuments.Parse(File.ReadAllText(path), path) : [];
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw FedCoreException.Configuration($"{section}.settings", $"The settings {Shown.Of(path, 400)} cannot be read ({Shown.Of(fault.Message.TrimEnd('.'), 400)}). Correct the path, or let this user read the file.", fault);
        }
    }

    private static (string Name, string Path, string Value) Split(string assignment)
    {
        int equals = assignment.IndexOf('=', StringComparison.Ordinal);
        return equals > 0
            ? ($"--set {assignment[..equals]}", assignment[..equals], assignment[(equals + 1)..])
            : throw new FedCoreException(FaultKind.Usage, "json.set", $"--set {Shown.Of(assignment, 200)}: write it as path=value, such as dataFolder=/var/lib/fedcore.");
    }

    private static bool IsOfPlugIns((string Name, string Path, string Value) change) => change.Path.Split('.', '[')[0].Equals(PlugIns, StringComparison.OrdinalIgnoreCase);

    private void Apply<T>(JsonObject settings, IEnumerable<(string Name, string Path, string Value)> changes)
    {
        var names = new SettingNames(JsonSchemas.For<T>(registry));
        foreach ((_, string path, string value) in changes)
        {
            (string exact, bool isText) = names.Find(path, settings);
            JsonDocuments.Set(settings, $"{exact}={(isText && !IsQuoted(value) ? JsonSerializer.Serialize(value) : value)}");
        }
    }

    // A text may be written as it is, or as JSON.
    private static bool IsQuoted(string value)
    {
        try
        {
            return value.StartsWith('"') && JsonNode.Parse(value) is JsonValue;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    private sealed record PlugInSection
    {
        public required IReadOnlyList<PlugInReference> PlugIns { get; init; }
    }
}
