using System.IO.Compression;
using System.Runtime.InteropServices;
using System.Text.Json;
using FedCore.Models;
using FedCore.Models.Layers;
using FedCore.Models.Losses;
using FedCore.Naming;
using FedCore.Rounds;
using FedCore.Rounds.Selection;
using FedCore.Simulation.Devices;
using FedCore.Strategies;
using FedCore.Tests;
using FedCore.Training.Data;

namespace FedCore.Simulation.Tests;

/// <summary>
/// The claim of the FedProx paper (Li et al. 2020, figure 1): partial work of stragglers is better than dropping them. Softmax regression 60-10, rate
/// .01, batch 10, 20 epochs, 10 of 30 clients a round, 50 rounds.
/// </summary>
public class FedProxClaimTests
{
    private const int Epochs = 20;

    [Fact]
    public async Task With_90_percent_stragglers_partial_work_learns_and_dropping_does_not()
    {
        var data = new RecordedDraw();
        (double accuracy0, double loss0) = await MeanAsync(data, 0.9, new FedProx { Mu = 0 });
        (double accuracy1, double loss1) = await MeanAsync(data, 0.9, new FedProx { Mu = 1 });
        (double accuracy, double loss) = await MeanAsync(data, 0.9, new FedAvg());
        string measured = $"drop {accuracy:F3} / {loss:F3}, mu 0 {accuracy0:F3} / {loss0:F3}, mu 1 {accuracy1:F3} / {loss1:F3}";
        TestContext.Current.SendDiagnosticMessage(measured);
        Assert.True(loss0 <= 0.50 && loss1 <= 0.50, measured);
        Assert.True(accuracy0 >= 0.84 && accuracy1 >= 0.84, measured);
        Assert.True(loss >= 2 * loss0 && loss >= 2 * loss1, measured);
    }

    // The last round's accuracy of one run varies by two points from seed to seed, FedAvg's more; the mean of ten seeds by less than one.
    [Fact]
    [Trait("Category", "Slow")]
    public async Task Without_stragglers_FedAvg_and_FedProx_are_within_three_points()
    {
        var data = new RecordedDraw();
        (double fedAvg, _) = await MeanAsync(data, 0, new FedAvg(), seeds: 10);
        (double fedProx, _) = await MeanAsync(data, 0, new FedProx { Mu = 1 }, seeds: 10);
        TestContext.Current.SendDiagnosticMessage($"FedAvg {fedAvg:F3}, FedProx {fedProx:F3}");
        Assert.Equal(fedAvg, fedProx, 0.03);
    }

    [Fact]
    [Trait("Category", "Slow")]
    public async Task Over_ten_fresh_draws_the_median_loss_ratio_is_at_most_point_six()
    {
        var ratios = new List<double>();
        for (int draw = 0; draw < 10; draw++)
        {
            var clients = new SyntheticClients { Alpha = 1, Beta = 1, Clients = 30, Seed = draw };
            (_, double prox) = await RunAsync(plan => new CachedData(clients.Create(plan), 1_000_000_000), 0.9, new FedProx { Mu = 1 }, seed: 1);
            (_, double drop) = await RunAsync(plan => new CachedData(clients.Create(plan), 1_000_000_000), 0.9, new FedAvg(), seed: 1);
            ratios.Add(prox / drop);
        }

        ratios.Sort();
        TestContext.Current.SendDiagnosticMessage(string.Join(" ", ratios.Select(r => r.ToString("F3"))));
        Assert.InRange((ratios[4] + ratios[5]) / 2, 0, 0.6);
    }

    private static async Task<(double Accuracy, double Loss)> MeanAsync(IFederatedData data, double stragglers, IStrategy strategy, int seeds = 3)
    {
        var results = new List<(double Accuracy, double Loss)>();
        for (int seed = 1; seed <= seeds; seed++) results.Add(await RunAsync(_ => data, stragglers, strategy, seed));
        TestContext.Current.SendDiagnosticMessage(string.Join(" ", results.Select(r => r.Accuracy.ToString("F3"))));
        return (results.Average(r => r.Accuracy), results.Average(r => r.Loss));
    }

    private static async Task<(double Accuracy, double Loss)> RunAsync(
        Func<RunPlan, IFederatedData> data, double stragglers, IStrategy strategy, long seed)
    {
        RunPlan plan = RunPlan.Create(
            new RunDefinition
            {
                Name = "fedprox",
                Seed = seed,
                Model = new ModelSpec { Input = [60], Layers = [new LinearSpec { Outputs = 10 }], Loss = new SoftmaxCrossEntropySpec() },
                Strategy = strategy,
                Training = new TrainingPlan { Epochs = Epochs, BatchSize = 10, LearningRate = 0.01 },
                Rounds = new RoundPolicy { Count = 50, Cohort = new UniformSelection { Size = 10 }, DeadlineSeconds = 100, MinimumReports = 1 },
                Evaluation = new EvaluationPlan { Every = 50, Splits = [DataSplit.Test, DataSplit.Train] },
            },
            Registry.CreateDefault().AddSimulation());
        var options = new SimulationOptions { Stragglers = stragglers > 0 ? new Stragglers { Share = stragglers } : null };
        using SimulationResult result = await FederatedSimulation.RunAsync(plan, data(plan), options, TestContext.Current.CancellationToken);
        return (result.Metrics["accuracy"], result.Metrics["trainLoss"]);
    }

    /// <summary>One draw of Synthetic(1, 1) by the generator of Li et al. 2020, for which figures were measured with an independent implementation.</summary>
    private sealed class RecordedDraw : IFederatedData
    {
        private readonly InMemoryExamples _examples;
        private readonly (int TrainOffset, int TrainCount, int TestOffset, int TestCount)[] _clients;

        public RecordedDraw()
        {
            string folder = SharedData.Require("data/synthetic_1_1");
            using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "clients.json")));
            JsonElement root = document.RootElement;
            int features = root.GetProperty("features").GetInt32();
            using var stream = new GZipStream(File.OpenRead(Path.Combine(folder, "features.f32.gz")), CompressionMode.Decompress);
            using var bytes = new MemoryStream();
            stream.CopyTo(bytes);
            float[] x = MemoryMarshal.Cast<byte, float>(bytes.ToArray()).ToArray();
            float[] y = [.. File.ReadAllBytes(Path.Combine(folder, "labels.u8")).Select(label => (float)label)];
            _examples = new InMemoryExamples(new Shape(features), x, y);
            _clients =
            [
                .. root.GetProperty("clients").EnumerateArray().Select(c => (
                    c.GetProperty("trainOffset").GetInt32(), c.GetProperty("trainCount").GetInt32(),
                    c.GetProperty("testOffset").GetInt32(), c.GetProperty("testCount").GetInt32())),
            ];
        }

        public long ClientCount => _clients.Length;

        public string NameOf(long index) => ClientNames.Of(index);

        public int TrainCountOf(long index) => _clients[index].TrainCount;

        public ClientData Get(long index) => new(
            View(_clients[index].TrainOffset, _clients[index].TrainCount), View(_clients[index].TestOffset, _clients[index].TestCount));

        private ExampleView View(int offset, int count) => new(_examples, Enumerable.Range(offset, count).ToArray());
    }
}
