using System.Diagnostics;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using FedCore.Aggregator.Settings;
using FedCore.Cli.Tests.Service;
using FedCore.Client;
using FedCore.Client.Settings;
using FedCore.Json;
using FedCore.Naming;
using FedCore.SecureAggregation.Suites;
using FedCore.Tests;

namespace FedCore.Cli.Tests;

/// <summary>Every command that the documentation shows is run, and its links lead somewhere.</summary>
public partial class DocumentationTests
{
    private static readonly string[] Pages =
    [
        "README.md", "CONTRIBUTING.md",
        .. new[] { "docs", "examples" }
            .SelectMany(folder => Directory.EnumerateFiles(Path.Combine(SharedData.Repository, folder), "*.md", SearchOption.AllDirectories))
            .Select(path => Path.GetRelativePath(SharedData.Repository, path)).Order(StringComparer.Ordinal),
    ];

    public static TheoryData<string, string> Commands
    {
        get
        {
            var commands = new TheoryData<string, string>();
            foreach (string page in Pages)
                foreach (string command in CommandsOf(page)) commands.Add(page, command);
            return commands;
        }
    }

    [Theory]
    [MemberData(nameof(Commands))]
    public async Task Command_in_the_documentation_runs(string page, string command)
    {
        using var folder = new TemporaryFolder();
        string[] args = [.. Words().Matches(command).Select(match => match.Value.Trim('\'').Replace("='", "=", StringComparison.Ordinal))];
        args = [.. args.Select(arg => arg.StartsWith("examples/", StringComparison.Ordinal) ? Path.Combine(SharedData.Repository, arg) : arg)];
        Assert.SkipWhen(args is ["data", "get", ..], $"{page}: fetching needs a network.");
        int output = Array.IndexOf(args, "--out");
        if (output >= 0) args[output + 1] = args[0] is "site" or "model" or "federation" ? folder["out"] : folder.Path;
        if (args.Contains("--resume")) args = [.. args.Where(arg => arg != "--resume")];
        if (args[0] == "simulate")
        {
            // Where clients vanish a single round may well be abandoned.
            args = [.. args, "--set", $"rounds.count={(command.Contains("dropout", StringComparison.Ordinal) ? 10 : 1)}"];
            if (command.Contains("heart-disease", StringComparison.Ordinal)) args = [.. args, "--data", SharedData.Require("data/heart_disease")];
            bool isInstalled = File.Exists("/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz");
            Assert.SkipWhen(command.Contains("fashion-mnist", StringComparison.Ordinal) && !isInstalled, "Fashion-MNIST is not installed.");
        }

        if (args[0] == "federation") args = await InFederationAsync(args, folder["federation"]);
        Fedcore.Outcome outcome = ServiceCommands.Has(args) ? await ServiceCommands.RunAsync(args, folder) : await Fedcore.RunAsync(args);
        Assert.True(outcome.Code == 0, $"{page}: {outcome.Error}");
    }

    // What comes before the command in a reader's hands: the federation, and a site in it.
    private static async Task<string[]> InFederationAsync(string[] args, string folder)
    {
        if (args[1] == "identity") return args;
        if (args[1] != "init")
        {
            using ISigningKey key = SecureAggregationSuites.Default.CreateSigningKey();
            string text = Convert.ToBase64String(key.PublicKey.Span);
            Assert.Equal(0, (await Fedcore.RunAsync("federation", "init", "study", "--folder", folder)).Code);
            if (args[1] != "add-site") Assert.Equal(0, (await Fedcore.RunAsync("federation", "add-site", "north", "--key", text, "--folder", folder)).Code);
            args = [.. args.Select(arg => arg == "KEY" ? text : arg)];
        }

        return [.. args, "--folder", folder];
    }

    [Fact]
    public void Settings_in_the_documentation_are_read()
    {
        foreach (string page in Pages)
        {
            foreach (Match block in JsonBlocks().Matches(File.ReadAllText(Path.Combine(SharedData.Repository, page))))
            {
                JsonObject file = JsonDocuments.Parse(block.Groups[1].Value, page);
                if (file["aggregator"] is JsonObject aggregator) JsonDocuments.Read<AggregatorSettings>(aggregator, Registry.CreateDefault(), page, "aggregator");
                if (file["client"] is JsonObject client) JsonDocuments.Read<ClientSettings>(client, Registry.CreateDefault().AddClient(), page, "client");
            }
        }
    }

    [Theory]
    [InlineData("aggregator")]
    [InlineData("client")]
    public void Page_of_settings_has_the_tables_that_the_schema_gives(string section)
    {
        string page = File.ReadAllText(Path.Combine(SharedData.Repository, "docs", "reference", "settings.md")).ReplaceLineEndings("\n"), tables = SettingsPage.TablesOf(section);
        Assert.True(page.Contains(tables, StringComparison.Ordinal), $"docs/reference/settings.md must have, of the {section}:\n{tables}");
    }

    [Fact]
    public void Links_lead_to_files_that_exist()
    {
        foreach (string page in Pages)
        {
            string path = Path.Combine(SharedData.Repository, page);
            foreach (Match link in Links().Matches(File.ReadAllText(path)))
            {
                string target = link.Groups[1].Value;
                if (target.StartsWith("http", StringComparison.Ordinal)) continue;
                Assert.True(Path.Exists(Path.Combine(Path.GetDirectoryName(path)!, target)), $"{page} links to {target}, which is not there.");
            }
        }
    }

    [Fact]
    public async Task Custom_strategy_runs_from_its_one_file()
    {
        var start = new ProcessStartInfo("dotnet", ["run", "-c", Configuration, "--no-restore", "--project", Path.Combine(SharedData.Repository, "examples", "custom-strategy")])
        {
            RedirectStandardOutput = true,
        };
        using Process process = Process.Start(start)!;
        string output = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.True(process.ExitCode == 0, output);
        Assert.Matches(@"steady\s+accuracy 0\.9", output);
    }

    private static string Configuration =>
#if DEBUG
        "Debug";
#else
        "Release";
#endif

    // Lines in fenced blocks that begin with the command, or run it from source.
    private static IEnumerable<string> CommandsOf(string page)
    {
        bool isCode = false;
        foreach (string line in File.ReadLines(Path.Combine(SharedData.Repository, page)))
        {
            if (line.StartsWith("```", StringComparison.Ordinal)) isCode = !isCode;
            if (!isCode) continue;
            string command = line.Split("   #")[0].Replace("dotnet run -c Release --project src/FedCore.Cli -- ", "fedcore ", StringComparison.Ordinal).Trim();
            if (command.StartsWith("fedcore ", StringComparison.Ordinal)) yield return command["fedcore ".Length..];
        }
    }

    [GeneratedRegex(@"\]\(([^)#\s]+)[^)]*\)")]
    private static partial Regex Links();

    [GeneratedRegex(@"```json\r?\n(\{.*?)```", RegexOptions.Singleline)]
    private static partial Regex JsonBlocks();

    [GeneratedRegex(@"'[^']*'|[^\s]+")]
    private static partial Regex Words();
}
