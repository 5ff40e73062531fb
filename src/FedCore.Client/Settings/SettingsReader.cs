using System.Text.Json;
using System.Text.Json.Nodes;
using FedCore.Json;
using FedCore.Naming;
using FedCore.Naming.PlugIns;

namespace FedCore.Client.Settings;

/// <summary>Settings that were read, with what their plug-ins have brought along.</summary>
/// <param name="Settings">The settings.</param>
/// <param name="Registry">The names that settings and runs may use.</param>
/// <param name="PlugIns">The plug-ins that were loaded.</param>
internal sealed record ReadSettings(ClientSettings Settings, Registry Registry, IReadOnlyList<LoadedPlugIn> PlugIns);

/// <summary>
/// Reads a client's settings: the section <c>client</c> of a JSON file, changed by environment variables (<c>FEDCORE_CLIENT__TESTFRACTION=0.1</c>), and these by
/// assignments (<c>testFraction=0.1</c>). What they come to is read like a run file: an unknown key or a wrong value is a fault that says where it is.
/// </summary>
internal static class SettingsReader
{
    /// <summary>The name of a settings file where none is given.</summary>
    public const string DefaultFile = "appsettings.json";

    /// <summary>How environment variables begin.</summary>
    public const string Prefix = "FEDCORE_CLIENT__";

    private const string Section = "client", PlugIns = "plugIns";

    /// <summary>Reads settings and loads their plug-ins.</summary>
    /// <param name="file">The file; null for <see cref="DefaultFile"/>, which need not be there.</param>
    /// <param name="environment">Environment variables.</param>
    /// <param name="assignments">Paths below <c>client</c> with their values.</param>
    /// <exception cref="FedCoreException">They cannot be read.</exception>
    public static ReadSettings Read(string? file, IEnumerable<KeyValuePair<string, string>> environment, IReadOnlyList<string> assignments)
    {
        string path = Path.GetFullPath(file ?? DefaultFile), folder = Path.GetDirectoryName(path)!;
        JsonObject document = Load(path, isNeeded: file is not null);
        JsonObject section = document[Section] switch
        {
            JsonObject found => found,
            null => [],
            _ => throw FedCoreException.Configuration("client.settings", $"{path}: client must be an object, {{ ... }}."),
        };
        (string Name, string Path, string Value)[] changes =
        [
            // Of what has a type the other settings are known when the type is.
            .. environment.Where(variable => variable.Key.StartsWith(Prefix, StringComparison.OrdinalIgnoreCase))
                .OrderBy(variable => !variable.Key.EndsWith("__TYPE", StringComparison.OrdinalIgnoreCase)).ThenBy(variable => variable.Key.Length).ThenBy(variable => variable.Key, StringComparer.Ordinal)
                .Select(variable => (variable.Key, variable.Key[Prefix.Length..].Replace("__", ".", StringComparison.Ordinal), variable.Value)),
            .. assignments.Select(Split),
        ];
        Registry registry = Registry.CreateDefault().AddClient();
        Apply(section, changes.Where(IsOfPlugIns), registry);
        string name = changes.Length == 0 ? path : $"{path} with {Shown.List(changes.Select(change => change.Name))}";
        IReadOnlyList<LoadedPlugIn> plugIns = [];
        if (section[PlugIns] is { } listed)
        {
            // Their names may stand in the rest.
            var only = new JsonObject { [Section] = new JsonObject { [PlugIns] = listed.DeepClone() } };
            plugIns = registry.LoadPlugIns(JsonDocuments.Read<PlugInFile>(only, registry, name).Client.PlugIns, folder, "client.plugIns");
        }

        Apply(section, changes.Where(change => !IsOfPlugIns(change)), registry);
        var whole = new JsonObject { [Section] = section.DeepClone() };
        ClientSettings settings = JsonDocuments.Read<SettingsFile>(whole, registry, name).Client with { Folder = folder };
        settings.Check();
        return new ReadSettings(settings, registry, plugIns);
    }

    private static JsonObject Load(string path, bool isNeeded)
    {
        try
        {
            return File.Exists(path) || isNeeded ? JsonDocuments.Parse(File.ReadAllText(path), path) : [];
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw FedCoreException.Configuration("client.settings", $"The settings {Shown.Of(path, 400)} cannot be read ({Shown.Of(fault.Message.TrimEnd('.'), 400)}). Correct the path, or let this user read the file.", fault);
        }
    }

    private static (string Name, string Path, string Value) Split(string assignment)
    {
        int equals = assignment.IndexOf('=', StringComparison.Ordinal);
        return equals > 0
            ? ($"--set {assignment[..equals]}", assignment[..equals], assignment[(equals + 1)..])
            : throw new FedCoreException(FaultKind.Usage, "json.set", $"--set {Shown.Of(assignment, 200)}: write it as path=value, such as testFraction=0.1.");
    }

    private static bool IsOfPlugIns((string Name, string Path, string Value) change) => change.Path.Split('.', '[')[0].Equals(PlugIns, StringComparison.OrdinalIgnoreCase);

    private static void Apply(JsonObject section, IEnumerable<(string Name, string Path, string Value)> changes, Registry registry)
    {
        var names = new SettingNames(ClientSettings.Schema(registry));
        foreach ((_, string path, string value) in changes)
        {
            (string exact, bool isText) = names.Find(path, section);
            JsonDocuments.Set(section, $"{exact}={(isText ? JsonSerializer.Serialize(value) : value)}");
        }
    }

    private sealed record PlugInFile
    {
        public required PlugInSection Client { get; init; }
    }

    private sealed record PlugInSection
    {
        public required IReadOnlyList<PlugInReference> PlugIns { get; init; }
    }
}
