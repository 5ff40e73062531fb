namespace FedCore.Tests;

/// <summary>Who may know whom: the projects that each FedCore assembly may reference. A project without a row here fails the tests.</summary>
internal static class Arrows
{
    public static IReadOnlyDictionary<string, string[]> Allowed { get; } = new Dictionary<string, string[]>
    {
        ["FedCore.Core"] = [],
        ["FedCore.Training"] = ["FedCore.Core"],
        ["FedCore.Protocol"] = [],
        ["FedCore.Hosting"] = ["FedCore.Core"],
        ["FedCore.Aggregator"] = ["FedCore.Core", "FedCore.Protocol", "FedCore.Hosting"],
        ["FedCore.Client"] = ["FedCore.Core", "FedCore.Training", "FedCore.Protocol", "FedCore.Hosting"],
        ["FedCore.Simulation"] = ["FedCore.Core", "FedCore.Training"],
        ["FedCore.Cli"] =
            ["FedCore.Core", "FedCore.Training", "FedCore.Protocol", "FedCore.Hosting", "FedCore.Aggregator", "FedCore.Client", "FedCore.Simulation"],
    };

    /// <summary>Everything that an assembly reaches along the allowed arrows.</summary>
    public static IReadOnlySet<string> Reach(string assembly)
    {
        var reached = new HashSet<string>();
        var open = new Stack<string>([assembly]);
        while (open.TryPop(out string? next))
        {
            foreach (string known in Allowed[next])
                if (reached.Add(known)) open.Push(known);
        }

        return reached;
    }
}
