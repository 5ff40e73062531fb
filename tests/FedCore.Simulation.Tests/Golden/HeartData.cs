using System.Text.Json;
using FedCore.Models;
using FedCore.Naming;
using FedCore.Rounds;
using FedCore.Strategies;
using FedCore.Tests;
using FedCore.Training;
using FedCore.Training.Data;
using FedCore.Training.Data.Csv;
using FedCore.Training.Data.Datasets;
using FedCore.Training.Engine;

namespace FedCore.Simulation.Tests.Golden;

/// <summary>The preprocessed matrices of the four hospitals as FLamby splits them: standardised per hospital by its own training examples.</summary>
internal sealed class HeartData : IFederatedData
{
    private const int Features = 13;
    private static readonly string[] Files =
        ["processed.cleveland.data", "processed.hungarian.data", "processed.switzerland.data", "processed.va.data"];

    private static readonly int[] Train = [199, 172, 30, 85];

    private readonly ClientData[] _clients;

    public HeartData(Func<int, Func<int, IBatchOrder>>? batches = null)
    {
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(SharedData.Require("golden/heart_data.json")));
        JsonElement root = document.RootElement;
        _clients =
        [
            .. Enumerable.Range(0, 4).Select(centre => new ClientData(View(root.GetProperty("train")[centre]), View(root.GetProperty("test")[centre]))
            {
                Batches = batches?.Invoke(centre),
            }),
        ];
    }

    public long ClientCount => _clients.Length;

    /// <summary>
    /// What the run file of examples/heart-disease says: FLamby leaves out the three features that most hospitals lack, and whoever lacks another one.
    /// </summary>
    public static DataContract Contract { get; } = new()
    {
        Features =
        [
            .. new[] { "age", "sex", "trestbps", "chol", "fbs", "thalach", "exang", "oldpeak" }.Select(name => new Feature { Name = name }),
            new Feature { Name = "cp", Categories = ["1", "2", "3", "4"], DropFirst = true },
            new Feature { Name = "restecg", Categories = ["0", "1", "2"], DropFirst = true },
        ],
        Label = new Label { Name = "num", PositiveAbove = 0 },
        Missing = MissingValues.DropExample,
        Standardize = true,
    };

    public static CsvSource Source { get; } = new()
    {
        Files = Files,
        Columns = ["age", "sex", "cp", "trestbps", "chol", "fbs", "restecg", "thalach", "exang", "oldpeak", "slope", "ca", "thal", "num"],
    };

    public string NameOf(long index) => $"centre-{index}";

    /// <summary>How many of the patients of table 1 a centre trains on: FLamby holds a third of each centre back.</summary>
    public static int TrainCount(int centre) => Train[centre];

    public int TrainCountOf(long index) => _clients[index].Train.Count;

    public ClientData Get(long index) => _clients[index];

    /// <summary>
    /// FLamby's pooled test set: the test examples of all hospitals, standardised by the means and deviations of all training examples together, which
    /// no hospital knows. The published "pooled" accuracies are measured on it.
    /// </summary>
    public static async Task<ExampleView> PooledTestAsync(RunPlan plan, CancellationToken ct)
    {
        var data = new HeartData();
        DataContract raw = Contract with { Standardize = false };
        RunPlan rawPlan = RunPlan.Create(plan.Definition with { Data = raw }, Registry.CreateDefault());
        var folders = new DataFolders(".", SharedData.Require("data/heart_disease"), new DatasetStore());
        DataPool pool = await Source.LoadAsync(new DataRequest(rawPlan, folders), ct);
        var train = new List<float[]>();
        var test = new List<float[]>();
        var labels = new List<float>();
        for (int centre = 0; centre < 4; centre++)
        {
            float[][] original = Rows(new ExampleView(pool.Train, pool.Groups![centre].Rows));
            float[][] scaledTrain = Rows(data._clients[centre].Train), scaledTest = Rows(data._clients[centre].Test);
            Assert.Equal(original.Length, scaledTrain.Length + scaledTest.Length);
            (double Scale, double Shift)[] inverse = [.. Enumerable.Range(0, Features).Select(column => Inverse(original, [.. scaledTrain, .. scaledTest], column))];
            train.AddRange(scaledTrain.Select(row => Undo(row, inverse)));
            test.AddRange(scaledTest.Select(row => Undo(row, inverse)));
            labels.AddRange(Enumerable.Range(0, scaledTest.Length).Select(i => data._clients[centre].Test.Set.Label(i)[0]));
        }

        for (int column = 0; column < Features; column++)
        {
            double mean = train.Average(row => row[column]);
            double deviation = Math.Sqrt(train.Sum(row => (row[column] - mean) * (row[column] - mean)) / (train.Count - 1));
            foreach (float[] row in test) row[column] = (float)((row[column] - mean) / deviation);
        }

        return ExampleView.All(new InMemoryExamples(new Shape(Features), [.. test.SelectMany(row => row)], [.. labels]));
    }

    /// <summary>The accuracy of a model on some examples, by the product's own evaluation.</summary>
    public static double Accuracy(RunPlan plan, ModelState model, ExampleView examples)
    {
        using ITrainingWorkspace workspace = new EmbeddedTrainer().CreateWorkspace(plan);
        var task = new EvaluateTask([DataSplit.Test], 1, 0, 1, model, plan.EvaluateLayout);
        Updates.Update sums = workspace.Evaluate(task, "pooled", new ClientData(examples, examples), new InMemoryClientState());
        return sums.Scalar("correct") / sums.Scalar("examples");
    }

    // Standardising is affine and keeps the order, so smallest and largest values correspond.
    private static (double Scale, double Shift) Inverse(float[][] original, float[][] scaled, int column)
    {
        double low = original.Min(row => row[column]), high = original.Max(row => row[column]);
        double scaledLow = scaled.Min(row => row[column]), scaledHigh = scaled.Max(row => row[column]);
        double scale = scaledHigh > scaledLow ? (high - low) / (scaledHigh - scaledLow) : 1;
        return (scale, low - scale * scaledLow);
    }

    private static float[] Undo(float[] row, (double Scale, double Shift)[] inverse) =>
        [.. row.Select((value, column) => (float)(inverse[column].Scale * value + inverse[column].Shift))];

    private static float[][] Rows(ExampleView view)
    {
        float[] all = new float[view.Count * Features];
        view.Set.CopyFeatures(view.Rows.Span, all);
        return [.. all.Chunk(Features)];
    }

    private static ExampleView View(JsonElement split)
    {
        float[] x = [.. split.GetProperty("x").EnumerateArray().SelectMany(row => row.EnumerateArray().Select(e => e.GetSingle()))];
        float[] y = [.. split.GetProperty("y").EnumerateArray().Select(Label)];
        return ExampleView.All(new InMemoryExamples(new Shape(Features), x, y));
    }

    private static float Label(JsonElement element) => element.ValueKind == JsonValueKind.Array ? element[0].GetSingle() : element.GetSingle();
}
