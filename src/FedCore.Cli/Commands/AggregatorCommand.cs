using System.CommandLine;
using System.Text.Json.Nodes;
using FedCore.Aggregator.Hosting;
using FedCore.Aggregator.Settings;
using FedCore.Client.Telemetry;
using FedCore.Json;
using FedCore.Naming;
using Microsoft.Extensions.Logging;

namespace FedCore.Cli.Commands;

/// <summary><c>fedcore aggregator</c>: the service that sites and coordinators connect to.</summary>
internal static class AggregatorCommand
{
    public static Command Create(TextWriter output, TextWriter error)
    {
        var settings = new Option<string?>("--settings") { Description = "A JSON file with a section \"aggregator\".", HelpName = "FILE" };
        var set = new Option<string[]>("--set") { Description = "Change a setting, such as --set dataFolder=/var/lib/fedcore, or a list as JSON. May be given several times.", HelpName = "path=value" };
        var command = new ExampleCommand(
            "aggregator", "Runs an aggregator until it is stopped. It goes on with the runs that it held before.", "fedcore aggregator --settings appsettings.json") { settings, set };
        command.SetAction((parsed, ct) => RunAsync(parsed.GetValue(settings), parsed.GetValue(set) ?? [], output, error, ct));
        return command;
    }

    private static async Task<int> RunAsync(string? file, string[] assignments, TextWriter output, TextWriter error, CancellationToken ct)
    {
        Registry registry = Registry.CreateDefault();
        AggregatorSettings settings = Read(file, assignments, registry);
        await using AggregatorServer server = await AggregatorServer.StartAsync(settings, registry, log => log.AddProvider(new LineLogger(error, TimeProvider.System)).SetMinimumLevel(LogLevel.Information).AddFilter("Microsoft", LogLevel.Warning), ct);
        await output.WriteLineAsync($"fedcore aggregator: serving {string.Join(", ", server.Addresses)}. Stop it with Ctrl+C.");
        await output.FlushAsync(ct);
        try
        {
            await Task.Delay(Timeout.Infinite, ct);
        }
        catch (OperationCanceledException)
        {
            // Being stopped is how an aggregator ends well.
        }

        return 0;
    }

    private static AggregatorSettings Read(string? file, string[] assignments, Registry registry)
    {
        JsonObject document = [];
        if (file is not null)
        {
            try
            {
                document = JsonDocuments.Parse(File.ReadAllText(file), file);
            }
            catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
            {
                throw FedCoreException.Configuration("aggregator.settings", $"The settings {Shown.Of(file, 400)} cannot be read ({fault.Message.TrimEnd('.')}). Check the path.", fault);
            }
        }

        JsonObject section = document["aggregator"] as JsonObject ?? [];
        foreach (string assignment in assignments) JsonDocuments.Set(section, assignment);
        return JsonDocuments.Read<AggregatorSettings>(section, registry, file ?? "--set");
    }
}
