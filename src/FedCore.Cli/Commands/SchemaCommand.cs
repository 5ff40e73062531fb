using System.CommandLine;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using FedCore.Naming;
using FedCore.Simulation;

namespace FedCore.Cli.Commands;

/// <summary><c>fedcore schema</c>: the JSON schema of run files, for editors.</summary>
internal static class SchemaCommand
{
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static Command Create(TextWriter output)
    {
        var command = new ExampleCommand(
            "schema",
            "Prints the JSON schema of run files, for editors that complete and check them.",
            "fedcore schema > run.schema.json");
        command.SetAction(_ => output.WriteLine(Text()));
        return command;
    }

    /// <summary>The schema with descriptions from the types' documentation.</summary>
    public static string Text()
    {
        JsonObject schema = RunFile.Schema(Registry.CreateDefault().AddSimulation(), DocumentationComments.SummaryOf);
        schema.Insert(0, "title", "FedCore run file");
        schema.Insert(0, "$schema", "https://json-schema.org/draft/2020-12/schema");

        // An editor finds the schema by this property, so it must be allowed.
        schema["properties"]!.AsObject().Insert(0, "$schema", new JsonObject { ["type"] = "string" });
        return schema.ToJsonString(Indented);
    }
}
