using System.Text.Json;
using FedCore.Models;
using FedCore.Models.Layers;
using FedCore.Models.Losses;
using FedCore.Naming;
using FedCore.Rounds;
using FedCore.Strategies;
using FedCore.Strategies.Server;
using FedCore.Training.Data;

namespace FedCore.Simulation.Tests.Golden;

/// <summary>A trajectory of FLamby's Fed-Heart-Disease benchmark, as recorded from its reference implementation.</summary>
internal sealed class GoldenRun
{
    private readonly JsonElement _json;

    public GoldenRun(string path)
    {
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(path));
        _json = document.RootElement.Clone();
        Strategy = _json.GetProperty("strategy").GetString()!;
        Rounds = _json.GetProperty("rounds").GetInt32();
        LocalUpdates = _json.GetProperty("local_updates").GetInt32();
        Initial = Numbers(_json.GetProperty("initial"));
        GlobalAfterRound = [.. _json.GetProperty("global_after_round").EnumerateArray().Select(Numbers)];
    }

    public string Strategy { get; }

    public int Rounds { get; }

    public int LocalUpdates { get; }

    /// <summary>Weights [13], then the bias.</summary>
    public float[] Initial { get; }

    public IReadOnlyList<float[]> GlobalAfterRound { get; }

    /// <summary>Correct answers over examples, per centre and then pooled.</summary>
    public double[] TestAccuracy => [.. _json.GetProperty("test_accuracy_c0_c1_c2_c3_pooled").EnumerateArray().Select(e => e.GetDouble())];

    public double Parameter(string name) => _json.GetProperty("hyper_parameters").GetProperty(name).GetDouble();

    /// <summary>The run with the product's strategy of the same name.</summary>
    public RunPlan Plan()
    {
        IStrategy strategy = Strategy switch
        {
            "FedAvg" => new FedAvg(),
            "FedProx" => new FedProx { Mu = Parameter("mu") },
            "Scaffold" => new Scaffold { Server = new ServerAverage { LearningRate = Parameter("server_learning_rate") } },
            "FedAdagrad" => new FedAvg { Server = new ServerAdagrad { LearningRate = Parameter("server_learning_rate"), Beta1 = Parameter("beta1"), Tau = Parameter("tau"), InitialAccumulator = 0 } },
            "FedAdam" => new FedAvg
            {
                Server = new ServerAdam
                {
                    LearningRate = Parameter("server_learning_rate"),
                    Beta1 = Parameter("beta1"),
                    Beta2 = Parameter("beta2"),
                    Tau = Parameter("tau"),
                    InitialAccumulator = 0,
                },
            },
            "FedYogi" => new FedAvg
            {
                Server = new ServerYogi
                {
                    LearningRate = Parameter("server_learning_rate"),
                    Beta1 = Parameter("beta1"),
                    Beta2 = Parameter("beta2"),
                    Tau = Parameter("tau"),
                    InitialAccumulator = 0,
                },
            },
            _ => throw new NotSupportedException($"{Strategy} is not among the strategies that the product is compared with. Add it here."),
        };
        return RunPlan.Create(
            new RunDefinition
            {
                Name = Strategy,
                Model = HeartModel,
                Strategy = strategy,
                Training = new TrainingPlan
                {
                    Steps = LocalUpdates,
                    BatchSize = _json.GetProperty("batch_size").GetInt32(),
                    LearningRate = Parameter("learning_rate"),
                },
                Rounds = new RoundPolicy { Count = Rounds },
            },
            Registry.CreateDefault());
    }

    public static ModelSpec HeartModel { get; } = new()
    {
        Input = [13],
        Layers = [new LinearSpec { Outputs = 1 }],
        Loss = new BinaryCrossEntropySpec(),
    };

    /// <summary>The four hospitals with the recorded batches.</summary>
    public IFederatedData Hospitals() => new HeartData(Batches);

    private Func<int, IBatchOrder> Batches(int centre)
    {
        int[][] batches =
        [
            .. _json.GetProperty("batches_per_client")[centre].EnumerateArray().Select(batch => batch.EnumerateArray().Select(row => row.GetInt32()).ToArray()),
        ];
        return round => new RecordedOrder(batches.AsMemory((round - 1) * LocalUpdates, LocalUpdates));
    }

    private static float[] Numbers(JsonElement element) => [.. element.EnumerateArray().Select(e => e.GetSingle())];

    private sealed class RecordedOrder(ReadOnlyMemory<int[]> batches) : IBatchOrder
    {
        private int _next;

        public ReadOnlySpan<int> Next() => batches.Span[_next++];
    }
}
