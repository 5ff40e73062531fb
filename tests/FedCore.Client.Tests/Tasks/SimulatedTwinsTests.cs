using FedCore.Client.Tests.Fakes;
using FedCore.Compression.Formats;
using FedCore.Compression.Sparsifiers;
using FedCore.Models;
using FedCore.Models.Layers;
using FedCore.Models.Losses;
using FedCore.Naming;
using FedCore.Rounds;
using FedCore.Simulation;
using FedCore.Strategies;
using FedCore.Tests;
using FedCore.Training.Data;
using FedCore.Training.Data.Csv;
using FedCore.Training.Data.Datasets;
using FedCore.Training.Partitioning;

namespace FedCore.Client.Tests.Tasks;

/// <summary>Four real clients, over sockets and files, make the bits that four simulated ones make: the hospitals of the heart-disease data.</summary>
public sealed class SimulatedTwinsTests : IDisposable
{
    private const double TestFraction = 0.34;

    private static readonly string[] Files = ["processed.cleveland.data", "processed.hungarian.data", "processed.switzerland.data", "processed.va.data"];
    private static readonly string[] Columns = ["age", "sex", "cp", "trestbps", "chol", "fbs", "restecg", "thalach", "exang", "oldpeak", "slope", "ca", "thal", "num"];

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("fedavg", false)]
    [InlineData("fedavg", true)]
    [InlineData("scaffold", false)]
    [InlineData("int8", false)]
    [InlineData("topK", false)]
    [InlineData("local layers", false)]
    [InlineData("fine-tuning", false)]
    public async Task Real_clients_have_their_simulated_twins_bits(string kind, bool web)
    {
        string data = SharedData.Require("data/heart_disease");
        RunPlan plan = Plan(kind);
        var folders = new DataFolders(".", data, new DatasetStore());
        IFederatedData simulated = await FederatedSimulation.LoadAsync(
            plan, new SimulationDefinition { Data = Source(data, Files), Partition = new NaturalPartitioner(), TestFraction = TestFraction }, folders, TestContext.Current.CancellationToken);
        using SimulationResult expected = await FederatedSimulation.RunAsync(plan, simulated, ct: TestContext.Current.CancellationToken);

        await using FakeAggregator aggregator = await FakeAggregator.StartAsync();
        string[] sites = [.. Enumerable.Range(0, 4).Select(client => simulated.NameOf(client))];
        var clients = new List<RunningClient>();
        try
        {
            for (int i = 0; i < sites.Length; i++)
            {
                clients.Add(await RunningClient.StartAsync(RunningClient.Settings(aggregator, _folder[$"client-{i}"], data: Source(data, Files[i]), site: sites[i]) with
                {
                    Aggregator = web ? aggregator.Http1Address : aggregator.Address,
                    Web = web,
                    TestFraction = TestFraction,
                }));
            }

            var fleet = new EngineFleet(aggregator, plan, sites);
            using var server = new ServerState(ModelState.Initialize(plan.Model, plan.World.Stream("model")));
            var engine = new RoundEngine(plan, fleet, new InMemoryJournal(), new RoundEngineOptions { Threads = 2 });
            await engine.RunAsync(server, TestContext.Current.CancellationToken).WaitAsync(TimeSpan.FromMinutes(2), TestContext.Current.CancellationToken);

            Assert.All(engine.State.Rounds, round => Assert.True(round.Committed, round.Reason));
            Assert.Equal(expected.Server.Model.Digest(), server.Model.Digest());
            Assert.Equal(expected.State.Evaluations.Select(evaluation => evaluation.Metrics), engine.State.Evaluations.Select(evaluation => evaluation.Metrics));
            Assert.Equal(expected.State.Rounds.Select(round => round.Metrics), engine.State.Rounds.Select(round => round.Metrics));
            if (plan.KeepsClientState) Assert.All(clients, client => Assert.True(client.Log.Count(304) >= plan.Definition.Rounds.Count - 1));
            Assert.All(clients, client => Assert.DoesNotContain(client.Log.All, line => line.Level >= Microsoft.Extensions.Logging.LogLevel.Warning));
        }
        finally
        {
            foreach (RunningClient client in clients) await client.DisposeAsync();
        }
    }

    private static CsvSource Source(string folder, params string[] files) => new() { Files = [.. files.Select(file => Path.Combine(folder, file))], Columns = Columns };

    private static RunPlan Plan(string kind) => RunPlan.Create(
        new RunDefinition
        {
            Name = "heart",
            Seed = 42,
            Model = kind == "local layers"
                ? new ModelSpec { Input = [13], Layers = [new LinearSpec { Outputs = 5 }, new BatchNormSpec { Local = true }, new ReluSpec(), new LinearSpec { Outputs = 1, Local = true }], Loss = new BinaryCrossEntropySpec() }
                : new ModelSpec { Input = [13], Layers = [new LinearSpec { Outputs = 1 }], Loss = new BinaryCrossEntropySpec() },
            Data = Contract,
            Strategy = kind == "scaffold" ? new Scaffold() : new FedAvg(),
            Transforms = kind switch
            {
                "int8" => [new Int8()],
                "topK" => [new TopK { Share = 0.3 }, new Float16()],
                _ => [],
            },
            Training = new TrainingPlan { Steps = 20, BatchSize = 4, LearningRate = 0.01 },
            Rounds = new RoundPolicy { Count = 5 },
            Evaluation = new EvaluationPlan { Splits = [DataSplit.Test, DataSplit.Train], FineTune = kind == "fine-tuning" ? new FineTuning { Steps = 5 } : null },
            Disclosures = kind == "fedavg" ? [Disclosure.Timing] : [],
        },
        Registry.CreateDefault().AddClient());

    // What the run file of examples/heart-disease says.
    private static DataContract Contract { get; } = new()
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
}
