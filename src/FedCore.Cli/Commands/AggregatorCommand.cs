using System.CommandLine;
using FedCore.Aggregator.Hosting;

namespace FedCore.Cli.Commands;

/// <summary><c>fedcore aggregator</c>: the service that sites and coordinators connect to.</summary>
internal static class AggregatorCommand
{
    public static Command Create(TextWriter output, TextWriter error)
    {
        var settings = new Option<string?>("--settings") { Description = "A JSON file with a section \"aggregator\"; otherwise appsettings.json in this folder.", HelpName = "FILE" };
        var set = new Option<string[]>("--set") { Description = "Change a setting, such as --set dataFolder=/var/lib/fedcore, or a list as JSON. May be given several times.", HelpName = "path=value" };
        var command = new ExampleCommand(
            "aggregator", "Runs an aggregator until it is stopped. It goes on with the runs that it held before.", "fedcore aggregator --settings appsettings.json") { settings, set };
        command.SetAction((parsed, ct) => AggregatorHost.RunAsync(parsed.GetValue(settings), parsed.GetValue(set) ?? [], output, error, ct));
        return command;
    }
}
