using System.Text.Json.Nodes;
using FedCore.Json;
using FedCore.Naming;
using FedCore.Rounds;

namespace FedCore.Core.Tests.Json;

/// <summary>A small run file, and what becomes of it.</summary>
internal static class RunFiles
{
    public const string Sound = """
        {
          "name": "small",
          "model": {
            "input": [4],
            "layers": [{ "type": "linear", "outputs": 3 }, { "type": "dropout", "rate": 0.5 }],
            "loss": { "type": "softmaxCrossEntropy" }
          },
          "strategy": { "type": "fedprox", "mu": 0.1 },
          "training": { "epochs": 2, "batchSize": 8, "learningRate": 0.1, "optimizer": { "type": "sgd", "momentum": 0.9 } },
          "rounds": { "count": 5, "cohort": { "type": "uniform", "size": 3 } },
          "evaluation": { "every": 1, "cohort": { "type": "all" }, "splits": ["test"] },
          "stop": { "metric": "accuracy", "atLeast": 0.9 }
        }
        """;

    public static Registry Names { get; } = Registry.CreateDefault();

    /// <summary>The sound file with one value changed as by <c>--set</c>, and read.</summary>
    public static RunDefinition Read(params string[] assignments) => Read(Names, assignments);

    public static RunDefinition Read(Registry names, params string[] assignments)
    {
        JsonObject document = JsonDocuments.Parse(Sound, "run.json");
        foreach (string assignment in assignments) JsonDocuments.Set(document, assignment);
        return JsonDocuments.Read<RunDefinition>(document, names, "run.json");
    }

    /// <summary>The message with which a changed file is refused.</summary>
    public static string Refusal(params string[] assignments)
    {
        var fault = Assert.Throws<FedCoreException>(() => Read(assignments));
        Assert.Equal(("json.schema", FaultKind.Configuration), (fault.Code, fault.Kind));
        return fault.Message;
    }
}
