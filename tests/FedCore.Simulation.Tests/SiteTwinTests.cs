using FedCore.Models;
using FedCore.Models.Layers;
using FedCore.Models.Losses;
using FedCore.Naming;
using FedCore.Rounds;
using FedCore.Simulation.Tests.Golden;
using FedCore.Strategies;
using FedCore.Tests;
using FedCore.Training.Data;
using FedCore.Training.Data.Csv;
using FedCore.Training.Data.Datasets;
using FedCore.Training.Partitioning;

namespace FedCore.Simulation.Tests;

/// <summary>A site that sees its own file alone has the examples of the simulated client of its name, to the last bit.</summary>
public sealed class SiteTwinTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(42, 0.2)]
    [InlineData(7, 0.34)]
    public async Task Each_heart_disease_hospital_alone_has_its_simulated_twins_examples(long seed, double testFraction)
    {
        RunPlan plan = Plan(HeartData.Contract, GoldenRun.HeartModel, seed);
        var folders = new DataFolders(".", SharedData.Require("data/heart_disease"), new DatasetStore());
        IFederatedData simulated = await SimulateAsync(plan, HeartData.Source, folders, testFraction);
        Assert.Equal(4, simulated.ClientCount);
        for (int client = 0; client < 4; client++)
        {
            var own = new CsvSource { Files = [HeartData.Source.Files[client]], Columns = HeartData.Source.Columns };
            AssertTwins(simulated.Get(client), await LoadAsync(plan, own, folders, simulated.NameOf(client), testFraction));
        }
    }

    // Lines with missing values are left out, and means fill in others, wherever the client's lines stand in the table of all.
    [Theory]
    [InlineData(MissingValues.DropExample)]
    [InlineData(MissingValues.Mean)]
    public async Task A_table_with_one_clients_lines_gives_what_the_table_of_all_gives_its_client(MissingValues missing)
    {
        (string[] all, string[] own) = Lines("B");
        _folder.File("all.csv", string.Join('\n', ["ward,age,sex,ill", .. all]));
        _folder.File("own.csv", string.Join('\n', ["ward,age,sex,ill", .. own]));
        var contract = new DataContract
        {
            Features = [new Feature { Name = "age" }, new Feature { Name = "sex", Categories = ["f", "m"] }],
            Label = new Label { Name = "ill" },
            Missing = missing,
            Standardize = true,
        };
        RunPlan plan = Plan(contract, new ModelSpec { Input = [3], Layers = [new LinearSpec { Outputs = 2 }], Loss = new SoftmaxCrossEntropySpec() }, 3);
        var folders = new DataFolders(_folder.Path, null, new DatasetStore(_folder["datasets"]));
        IFederatedData simulated = await SimulateAsync(plan, new CsvSource { Files = ["all.csv"], ClientColumn = "ward" }, folders, 0.25);
        long twin = Enumerable.Range(0, 3).Single(client => simulated.NameOf(client) == "B");
        ClientData site = await LoadAsync(plan, new CsvSource { Files = ["own.csv"] }, folders, "B", 0.25);
        Assert.True(site.Test.Count > 3);
        AssertTwins(simulated.Get(twin), site);
    }

    [Fact]
    public async Task Another_name_or_seed_holds_other_examples_back()
    {
        DataPool pool = await HeartData.Source.LoadAsync(
            new DataRequest(Plan(HeartData.Contract, GoldenRun.HeartModel, 1), new DataFolders(".", SharedData.Require("data/heart_disease"), new DatasetStore())),
            TestContext.Current.CancellationToken);
        int[] first = Held(1, "north");
        Assert.Equal(first, Held(1, "north"));
        Assert.NotEqual(first, Held(1, "south"));
        Assert.NotEqual(first, Held(2, "north"));

        int[] Held(long seed, string site) => SiteData.Of(Plan(HeartData.Contract, GoldenRun.HeartModel, seed), pool with { Preparation = null }, site).Test.Rows.ToArray();
    }

    // Three wards in turn; some values are missing.
    private static (string[] All, string[] Own) Lines(string ward)
    {
        string[] all =
        [
            .. Enumerable.Range(0, 60).Select(i => $"{"ABC"[i % 3]},{(i % 7 == 3 ? "?" : $"{20 + i * 37 % 61}.{i % 10}")},{(i % 11 == 5 ? "" : i % 2 == 0 ? "f" : "m")},{i / 3 % 2}"),
        ];
        return (all, [.. all.Where(line => line.StartsWith(ward, StringComparison.Ordinal))]);
    }

    private static Task<IFederatedData> SimulateAsync(RunPlan plan, CsvSource source, DataFolders folders, double testFraction) => FederatedSimulation.LoadAsync(
        plan, new SimulationDefinition { Data = source, Partition = new NaturalPartitioner(), TestFraction = testFraction }, folders, TestContext.Current.CancellationToken);

    private static async Task<ClientData> LoadAsync(RunPlan plan, CsvSource source, DataFolders folders, string site, double testFraction) =>
        SiteData.Of(plan, await source.LoadAsync(new DataRequest(plan, folders), TestContext.Current.CancellationToken), site, testFraction);

    private static void AssertTwins(ClientData simulated, ClientData site)
    {
        Assert.Equal(Bits(simulated.Train), Bits(site.Train));
        Assert.Equal(Bits(simulated.Test), Bits(site.Test));
        Assert.NotEmpty(Bits(site.Test));
    }

    private static int[] Bits(ExampleView view)
    {
        float[] features = new float[view.Count * view.Set.FeatureLength], labels = new float[view.Count * view.Set.LabelWidth];
        view.Set.CopyFeatures(view.Rows.Span, features);
        view.Set.CopyLabels(view.Rows.Span, labels);
        return [.. features.Concat(labels).Select(BitConverter.SingleToInt32Bits)];
    }

    private static RunPlan Plan(DataContract contract, ModelSpec model, long seed) => RunPlan.Create(
        new RunDefinition
        {
            Name = "twins",
            Seed = seed,
            Model = model,
            Data = contract,
            Strategy = new FedAvg(),
            Training = new TrainingPlan { Epochs = 1, LearningRate = 0.1 },
            Rounds = new RoundPolicy { Count = 1 },
        },
        Registry.CreateDefault().AddSimulation());
}
