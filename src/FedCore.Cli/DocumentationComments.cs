using System.Collections.Concurrent;
using System.Reflection;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using FedCore.Naming;

namespace FedCore.Cli;

/// <summary>The summaries of types and properties, from the XML files beside their assemblies.</summary>
internal static partial class DocumentationComments
{
    private static readonly ConcurrentDictionary<Assembly, Dictionary<string, string>> Files = new();

    /// <summary>The summary of a type or property as plain text, with what a paper says of its value; or null.</summary>
    public static string? SummaryOf(MemberInfo member)
    {
        Type? type = member as Type ?? member.DeclaringType;
        if (type?.FullName is not { } name) return null;
        string id = member is Type ? $"T:{name.Replace('+', '.')}" : $"P:{name.Replace('+', '.')}.{member.Name}";
        string? summary = Files.GetOrAdd(type.Assembly, Load).GetValueOrDefault(id);
        return summary is not null && member.GetCustomAttribute<PaperValueAttribute>() is { } paper ? $"{summary} {paper.Text}" : summary;
    }

    private static Dictionary<string, string> Load(Assembly assembly)
    {
        string path = Path.ChangeExtension(assembly.Location, ".xml");
        var summaries = new Dictionary<string, string>(StringComparer.Ordinal);
        if (!File.Exists(path)) return summaries;
        foreach (XElement member in XDocument.Load(path).Descendants("member"))
        {
            if (member.Attribute("name")?.Value is { } id && member.Element("summary") is { } summary) summaries[id] = Plain(summary);
        }

        return summaries;
    }

    private static string Plain(XElement summary)
    {
        foreach (XElement reference in summary.Descendants("see").ToList())
        {
            string name = reference.Attribute("cref")?.Value.Split('.')[^1] ?? "";
            reference.ReplaceWith(name.Length == 0 ? "" : char.ToLowerInvariant(name[0]) + name[1..]);
        }

        return Whitespace().Replace(summary.Value, " ").Trim();
    }

    [GeneratedRegex(@"\s+")]
    private static partial Regex Whitespace();
}
