using FedCore.Aggregator.Hosting;
using FedCore.Aggregator.Settings;
using FedCore.Naming;
using FedCore.Tests;

namespace FedCore.Cli.Tests.Service;

/// <summary>Runs commands of the service that the documentation shows.</summary>
internal static class ServiceCommands
{
    /// <summary>Whether a command is one of them.</summary>
    public static bool Has(string[] args) => args[0] is "aggregator" or "client" or "site" or "run" or "model";

    public static Task<Fedcore.Outcome> RunAsync(string[] args, TemporaryFolder folder) =>
        args[0] is "aggregator" or "client" ? StartAsync(args, folder) : AskAsync(args, folder);

    // They run until they are stopped, so they get settings with a mistake, and must come to the point of finding it.
    private static async Task<Fedcore.Outcome> StartAsync(string[] args, TemporaryFolder folder)
    {
        string settings = folder.File("settings.json", $"{{ \"{args[0]}\": {{ \"mistake\": 1 }} }}");
        Fedcore.Outcome outcome = await Fedcore.RunAsync(With(args, "--settings", settings));
        return outcome.Error.Contains($"{args[0]}.mistake is not known", StringComparison.Ordinal) ? outcome with { Code = 0 } : outcome;
    }

    // An aggregator of the command's own, with a site, unless the command adds it.
    private static async Task<Fedcore.Outcome> AskAsync(string[] args, TemporaryFolder folder)
    {
        var settings = new AggregatorSettings { DataFolder = folder["data"], Listen = ["http://127.0.0.1:0"] };
        await using AggregatorServer server = await AggregatorServer.StartAsync(settings, Registry.CreateDefault(), ct: TestContext.Current.CancellationToken);
        string[] Here(string[] command) => With(With(command, "--aggregator", server.Addresses[0]), "--token-file", Path.Combine(folder["data"], "coordinator.token"));
        if (args is not ["site", "add", "cleveland", ..]) await Fedcore.SucceedAsync(Here(["site", "add", "cleveland"]));
        return await Fedcore.RunAsync(Here(args));
    }

    private static string[] With(string[] args, string option, string value)
    {
        int at = Array.IndexOf(args, option);
        return at < 0 ? [.. args, option, value] : [.. args[..at], option, value, .. args[(at + 2)..]];
    }
}
