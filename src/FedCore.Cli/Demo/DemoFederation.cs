using System.Text.Json.Nodes;
using FedCore.SecureAggregation.Identity;
using FedCore.SecureAggregation.Suites;

namespace FedCore.Cli.Demo;

/// <summary>
/// The demo's federation, as <c>fedcore federation</c> makes one: a root that signs who the hospitals are, and an identity key for each of them. In the real world the root's key would be on
/// no machine with a network, and each hospital's where the hospital made it.
/// </summary>
internal static class DemoFederation
{
    /// <summary>A hospital's private key, in its folder.</summary>
    public const string IdentityKey = "identity.key";

    private const string Name = "demo", Folder = "federation", RosterFile = "roster.json", RootPublicFile = "root.pub";

    /// <summary>How the roster is named in the settings of a process whose folder is in the demo's.</summary>
    public static JsonObject Settings => new() { ["file"] = $"../{Folder}/{RosterFile}", ["rootKey"] = $"../{Folder}/{RootPublicFile}" };

    /// <summary>Writes the files.</summary>
    /// <param name="folder">The demo's folder.</param>
    /// <param name="hospitals">The hospitals, which have folders of their names.</param>
    public static async Task WriteAsync(string folder, IReadOnlyList<DemoHospital> hospitals)
    {
        string home = Path.Combine(folder, Folder);
        Directory.CreateDirectory(home);
        using ISigningKey root = SecureAggregationSuites.Default.CreateSigningKey();
        await WriteAsync(root, Path.Combine(home, "root.key"));
        await File.WriteAllTextAsync(Path.Combine(home, RootPublicFile), Convert.ToBase64String(root.PublicKey.Span) + "\n");
        var sites = new Dictionary<string, byte[]>();
        foreach (DemoHospital hospital in hospitals)
        {
            using ISigningKey key = SecureAggregationSuites.Default.CreateSigningKey();
            await WriteAsync(key, Path.Combine(folder, hospital.Name, IdentityKey));
            sites.Add(hospital.Name, key.PublicKey.ToArray());
        }

        await File.WriteAllBytesAsync(Path.Combine(home, RosterFile), Roster.Sign(Name, 1, sites, root).ToFile());
    }

    private static Task WriteAsync(ISigningKey key, string path) => PrivateFile.WriteAsync(path, "though the demo's folder is new.", () => Task.FromResult(IdentityKeys.ToPem(key)));
}
