using System.CommandLine;
using FedCore.Client;

namespace FedCore.Cli.Commands;

/// <summary><c>fedcore client</c>: the service that a site runs beside its data.</summary>
internal static class ClientCommand
{
    public static Command Create(TextWriter output)
    {
        var settings = new Option<string?>("--settings") { Description = "A JSON file with a section \"client\"; otherwise appsettings.json in this folder.", HelpName = "FILE" };
        var set = new Option<string[]>("--set") { Description = "Change a setting, such as --set testFraction=0.1. May be given several times.", HelpName = "path=value" };
        var command = new ExampleCommand(
            "client", "Runs a site's client until it is stopped: it asks the aggregator for tasks and works on them beside the site's data.", "fedcore client --settings appsettings.json") { settings, set };
        command.SetAction((parsed, ct) => ClientHost.RunAsync(parsed.GetValue(settings), parsed.GetValue(set) ?? [], output, ct));
        return command;
    }
}
