using System.CommandLine;
using System.Reflection;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using FedCore.Aggregator.Settings;
using FedCore.Client;
using FedCore.Client.Settings;
using FedCore.Naming;
using FedCore.Simulation;

namespace FedCore.Cli.Commands;

/// <summary><c>fedcore schema</c>: the JSON schemas of run files and settings, for editors.</summary>
internal static class SchemaCommand
{
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private static readonly Dictionary<string, (string Title, Func<Func<MemberInfo, string?>, JsonObject> Schema)> Files = new()
    {
        ["run"] = ("FedCore run file", describe => RunFile.Schema(Registry.CreateDefault().AddSimulation(), describe)),
        ["client"] = ("Settings of a FedCore client", describe => ClientSettings.Schema(Registry.CreateDefault().AddClient(), describe)),
        ["aggregator"] = ("Settings of a FedCore aggregator", describe => AggregatorSettings.Schema(Registry.CreateDefault(), describe)),
    };

    public static Command Create(TextWriter output)
    {
        var file = new Argument<string>("FILE") { Description = "Which files: run, client or aggregator.", DefaultValueFactory = _ => "run" };
        file.AcceptOnlyFromAmong([.. Files.Keys]);
        var command = new ExampleCommand(
            "schema",
            "Prints the JSON schema of run files, or of the settings of a client or an aggregator, for editors that complete and check them.",
            "fedcore schema client > client.schema.json") { file };
        command.SetAction(parsed => output.WriteLine(Text(parsed.GetValue(file)!)));
        return command;
    }

    /// <summary>A schema with descriptions from the types' documentation.</summary>
    public static string Text(string file)
    {
        (string title, Func<Func<MemberInfo, string?>, JsonObject> make) = Files[file];
        JsonObject schema = make(DocumentationComments.SummaryOf);
        schema.Insert(0, "title", title);
        schema.Insert(0, "$schema", "https://json-schema.org/draft/2020-12/schema");

        // An editor finds the schema by this property, so it must be allowed.
        schema["properties"]!.AsObject().Insert(0, "$schema", new JsonObject { ["type"] = "string" });
        return schema.ToJsonString(Indented);
    }
}
