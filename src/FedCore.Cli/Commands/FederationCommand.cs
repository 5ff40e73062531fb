using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Serialization;
using FedCore.Cli.Display;
using FedCore.SecureAggregation.Identity;
using FedCore.SecureAggregation.Suites;

namespace FedCore.Cli.Commands;

/// <summary><c>fedcore federation</c>: who belongs to a federation, signed by its root. Nothing here needs a network, and the root's folder should be where there is none.</summary>
internal static class FederationCommand
{
    private const string RootKeyFile = "root.key", RootPublicFile = "root.pub", StateFile = "federation.json";
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { WriteIndented = true, RespectRequiredConstructorParameters = true, RespectNullableAnnotations = true };

    public static Command Create(TextWriter output) => new("federation", "The sites of a federation and their identity keys, signed by its root, for secure aggregation.")
    {
        Init(output), Identity(output), AddSite(output), RemoveSite(output), SignRoster(output), Show(output),
    };

    private static ExampleCommand Init(TextWriter output)
    {
        var name = new Argument<string>("NAME") { Description = "The federation's name." };
        Option<string> folder = FolderOption();
        Option<bool> json = JsonOption();
        var command = new ExampleCommand(
            "init", "Makes a federation: a folder with the root's private key, which signs rosters and nothing else, and with its public key, which every site pins.",
            "fedcore federation init heart-study --folder heart-study-root") { name, folder, json };
        command.SetAction(async (parsed, ct) =>
        {
            (string federation, string path) = (parsed.GetValue(name)!, parsed.GetValue(folder)!);
            if (!Roster.IsName(federation)) throw NoName("federation", federation);
            Directory.CreateDirectory(path);
            using ISigningKey root = SecureAggregationSuites.Default.CreateSigningKey();
            await PrivateFile.WriteAsync(Path.Combine(path, RootKeyFile), "and may be the root of another federation. Name another --folder.", () => Task.FromResult(IdentityKeys.ToPem(root)));
            string publicKey = Convert.ToBase64String(root.PublicKey.Span);
            await File.WriteAllTextAsync(Path.Combine(path, RootPublicFile), publicKey + "\n", ct);
            await SaveAsync(path, new Federation(federation, 0, []), ct);
            await output.WriteLineAsync(parsed.GetValue(json)
                ? JsonSerializer.Serialize(new { federation, folder = path, rootKey = publicKey })
                : $"{Path.Combine(path, RootKeyFile)}: keep it where no network reaches it; whoever has it decides who the federation's sites are.\n"
                    + $"{Path.Combine(path, RootPublicFile)}: for every site to pin:\n{publicKey}");
            return 0;
        });
        return command;
    }

    private static ExampleCommand Identity(TextWriter output)
    {
        var file = new Option<string>("--out") { Description = "Where the private key goes: a file that is not there yet, and that only you can read.", HelpName = "FILE", Required = true };
        Option<bool> json = JsonOption();
        var command = new ExampleCommand(
            "identity", "Makes a site's identity key, at the site. The private key stays there; the public key, which is shown, goes to who signs the roster, on a way that can be trusted.",
            "fedcore federation identity --out identity.key") { file, json };
        command.SetAction(async (parsed, _) =>
        {
            string path = parsed.GetValue(file)!;
            using ISigningKey key = SecureAggregationSuites.Default.CreateSigningKey();
            await PrivateFile.WriteAsync(path, "and may be a key of which there is no copy. Name another file with --out.", () => Task.FromResult(IdentityKeys.ToPem(key)));
            string publicKey = Convert.ToBase64String(key.PublicKey.Span);
            await output.WriteLineAsync(parsed.GetValue(json) ? JsonSerializer.Serialize(new { file = path, publicKey }) : publicKey);
            return 0;
        });
        return command;
    }

    private static ExampleCommand AddSite(TextWriter output)
    {
        var name = new Argument<string>("NAME") { Description = "The site's name, as the aggregator has it." };
        var key = new Option<string>("--key") { Description = "The site's public key, as 'fedcore federation identity' showed it there.", HelpName = "KEY", Required = true };
        var replace = new Option<bool>("--replace") { Description = "The site is there already, and has another key from now on." };
        Option<string> folder = FolderOption();
        Option<bool> json = JsonOption();
        var command = new ExampleCommand(
            "add-site", "Adds a site to the next roster.", "fedcore federation add-site cleveland --key BFo4...") { name, key, replace, folder, json };
        command.SetAction((parsed, ct) =>
        {
            string site = parsed.GetValue(name)!, publicKey = Convert.ToBase64String(Roster.ParseKey(parsed.GetValue(key)!));
            if (!Roster.IsName(site)) throw NoName("site", site);
            return ChangeAsync(parsed.GetValue(folder)!, parsed.GetValue(json), output, site, federation =>
            {
                if (federation.Sites.FirstOrDefault(other => other.Value == publicKey && other.Key != site).Key is { } twin)
                    throw FedCoreException.Configuration("roster.key", $"The key is that of '{twin}'. Each site has one of its own.");
                if (federation.Sites.TryGetValue(site, out string? known) && known != publicKey && !parsed.GetValue(replace))
                    throw FedCoreException.Configuration("roster.site", $"'{site}' is there already, with another key. If the site's key was replaced, say so with --replace; if you do not know of it, ask the site.");
                federation.Sites[site] = publicKey;
                return $"{site} is in the next roster. Sign it with: fedcore federation sign-roster";
            }, ct);
        });
        return command;
    }

    private static ExampleCommand RemoveSite(TextWriter output)
    {
        var name = new Argument<string>("NAME") { Description = "The site's name." };
        Option<string> folder = FolderOption();
        Option<bool> json = JsonOption();
        var command = new ExampleCommand("remove-site", "Takes a site out of the next roster.", "fedcore federation remove-site cleveland") { name, folder, json };
        command.SetAction((parsed, ct) =>
        {
            string site = parsed.GetValue(name)!;
            return ChangeAsync(parsed.GetValue(folder)!, parsed.GetValue(json), output, site, federation => federation.Sites.Remove(site)
                ? $"{site} is not in the next roster. Sites that have an older one still believe it."
                : throw FedCoreException.Configuration("roster.site", $"There is no site '{Shown.Of(site)}'. There are: {Shown.List(federation.Sites.Keys)}."), ct);
        });
        return command;
    }

    private static ExampleCommand SignRoster(TextWriter output)
    {
        var file = new Option<string>("--out") { Description = "Where the roster goes, for all sites and the aggregator.", HelpName = "FILE", DefaultValueFactory = _ => "roster.json" };
        Option<string> folder = FolderOption();
        Option<bool> json = JsonOption();
        var command = new ExampleCommand("sign-roster", "Signs who the sites are. Each roster has a higher number than the one before.", "fedcore federation sign-roster --out roster.json")
        {
            file, folder, json,
        };
        command.SetAction(async (parsed, ct) =>
        {
            (string path, string target) = (parsed.GetValue(folder)!, parsed.GetValue(file)!);
            Federation federation = await LoadAsync(path, ct);
            if (federation.Sites.Count == 0) throw FedCoreException.Configuration("roster.empty", "The federation has no sites yet. Add them with: fedcore federation add-site NAME --key KEY");
            string keyFile = Path.Combine(path, RootKeyFile);
            using ISigningKey root = IdentityKeys.FromPem(await ReadAsync(keyFile, ct), keyFile);

            // The number is used up before there is a roster with it.
            federation = federation with { Serial = federation.Serial + 1 };
            await SaveAsync(path, federation, ct);
            var roster = Roster.Sign(federation.Name, federation.Serial, federation.Sites.Select(site => KeyValuePair.Create(site.Key, Convert.FromBase64String(site.Value))), root);
            await File.WriteAllBytesAsync(target, roster.ToFile(), ct);
            await output.WriteLineAsync(parsed.GetValue(json)
                ? JsonSerializer.Serialize(new { file = target, federation = federation.Name, serial = federation.Serial, sites = roster.Sites })
                : $"{target}: roster {federation.Serial} of {federation.Name} with {roster.Sites.Count} {(roster.Sites.Count == 1 ? "site" : "sites")}.");
            return 0;
        });
        return command;
    }

    private static ExampleCommand Show(TextWriter output)
    {
        var file = new Argument<string>("ROSTER") { Description = "The roster's file." };
        var root = new Option<string>("--root") { Description = "The root's public key, or a file that holds it.", HelpName = "KEY", Required = true };
        Option<bool> json = JsonOption();
        var command = new ExampleCommand("show", "Checks a roster against the root that is pinned, and lists its sites.", "fedcore federation show roster.json --root root.pub") { file, root, json };
        command.SetAction(async (parsed, ct) =>
        {
            string pinned = parsed.GetValue(root)!;
            byte[] rootKey = Roster.ParseKey(File.Exists(pinned) ? await File.ReadAllTextAsync(pinned, ct) : pinned);
            var roster = Roster.Read(System.Text.Encoding.UTF8.GetBytes(await ReadAsync(parsed.GetValue(file)!, ct)), rootKey);
            if (parsed.GetValue(json))
            {
                await output.WriteLineAsync(JsonSerializer.Serialize(new { federation = roster.Federation, serial = roster.Serial, sites = roster.Sites }));
                return 0;
            }

            await output.WriteLineAsync($"Roster {roster.Serial} of {Shown.Of(roster.Federation)}, signed by the root.");
            TextTable.Write(output, ["site", "public key"], roster.Sites.Select(site => roster.TryFind(site, out ReadOnlyMemory<byte> key) ? (string[])[site, Convert.ToBase64String(key.Span)] : [site, ""]), "It has no sites.");
            return 0;
        });
        return command;
    }

    private static async Task<int> ChangeAsync(string folder, bool json, TextWriter output, string site, Func<Federation, string> change, CancellationToken ct)
    {
        Federation federation = await LoadAsync(folder, ct);
        string said = change(federation);
        await SaveAsync(folder, federation, ct);
        await output.WriteLineAsync(json ? JsonSerializer.Serialize(new { site, sites = federation.Sites.Keys }) : said);
        return 0;
    }

    private static async Task<Federation> LoadAsync(string folder, CancellationToken ct)
    {
        string path = Path.Combine(folder, StateFile);
        if (!File.Exists(path)) throw FedCoreException.Configuration("federation.folder", $"{Shown.Of(folder, 400)} is no federation's folder. Name it with --folder, or make one with: fedcore federation init NAME");
        try
        {
            return JsonSerializer.Deserialize<Federation>(await ReadAsync(path, ct), Json) ?? throw new JsonException("It is null.");
        }
        catch (JsonException fault)
        {
            throw FedCoreException.Configuration("federation.folder", $"{Shown.Of(path, 400)} is damaged ({Shown.Of(fault.Message.TrimEnd('.'), 200)}). Take it from a copy.", fault);
        }
    }

    // Whole or not at all: the number of the last roster must not be lost.
    private static async Task SaveAsync(string folder, Federation federation, CancellationToken ct)
    {
        string path = Path.Combine(folder, StateFile), draft = path + ".new";
        await File.WriteAllBytesAsync(draft, JsonSerializer.SerializeToUtf8Bytes(federation, Json), ct);
        File.Move(draft, path, overwrite: true);
    }

    private static async Task<string> ReadAsync(string path, CancellationToken ct)
    {
        var file = new FileInfo(path);
        if (file is { Exists: true, Length: > Roster.MostBytes }) throw FedCoreException.Configuration("federation.file", $"{Shown.Of(path, 400)} has {file.Length} bytes, more than any file of a federation.");
        return await File.ReadAllTextAsync(path, ct);
    }

    private static FedCoreException NoName(string what, string name) => FedCoreException.Configuration(
        "federation.name", $"'{Shown.Of(name)}' is no {what}'s name: letters, digits, dots, underscores and hyphens, at most 100, the first a letter or a digit.");

    private static Option<string> FolderOption() => new("--folder") { Description = "The federation's folder.", HelpName = "DIR", DefaultValueFactory = _ => "federation" };

    private static Option<bool> JsonOption() => new("--json") { Description = "Prints the result as JSON." };

    /// <summary>What the root keeps of its federation.</summary>
    /// <param name="Name">Its name.</param>
    /// <param name="Serial">The number of the last roster; 0 before the first.</param>
    /// <param name="Sites">The sites of the next roster, and their public keys in base64.</param>
    private sealed record Federation([property: JsonPropertyName("federation")] string Name, long Serial, SortedDictionary<string, string> Sites);
}
