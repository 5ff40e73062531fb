using System.Text.Json;
using FedCore.Tests;

namespace FedCore.Cli.Tests;

/// <summary>Runs the command in this process and keeps what it prints.</summary>
internal static class Fedcore
{
    /// <summary>The run file of the example that needs no data but its own.</summary>
    public static string Hospitals { get; } = Path.Combine(SharedData.Repository, "examples", "hospitals", "run.json");

    public static async Task<Outcome> RunAsync(params string[] args)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        int code = await CommandLine.RunAsync(args, output, error);
        return new Outcome(code, output.ToString(), error.ToString());
    }

    /// <summary>Runs and expects success.</summary>
    public static async Task<Outcome> SucceedAsync(params string[] args)
    {
        Outcome outcome = await RunAsync(args);
        Assert.True(outcome.Code == 0, outcome.Error);
        return outcome;
    }

    internal sealed record Outcome(int Code, string Output, string Error)
    {
        /// <summary>The last line as JSON.</summary>
        public JsonElement Json
        {
            get
            {
                using JsonDocument document = JsonDocument.Parse(Output.TrimEnd().Split('\n')[^1]);
                return document.RootElement.Clone();
            }
        }

        public string ModelDigest => Json.GetProperty("modelDigest").GetString()!;
    }
}
