using FedCore.Naming;
using FedCore.Rounds;
using FedCore.Simulation.Tests.Golden;
using FedCore.Strategies;
using FedCore.Tests;
using FedCore.Training;
using FedCore.Training.Data;
using FedCore.Training.Data.Datasets;

namespace FedCore.Simulation.Tests;

public class HeartDiseaseTests
{
    public static TheoryData<string> Strategies => ["fedavg", "fedprox"];

    // FLamby's table: 15 rounds of 100 local updates, batch 4, learning rate .001, mean over five seeds .7480 ± .024.
    [Theory]
    [MemberData(nameof(Strategies))]
    public async Task Mean_pooled_accuracy_over_five_seeds_is_within_a_published_deviation(string strategy)
    {
        var accuracies = new List<double>();
        for (int seed = 42; seed < 47; seed++)
        {
            RunPlan plan = Plan(strategy == "fedavg" ? new FedAvg() : new FedProx { Mu = 0.01 }, seed);
            ExampleView pooled = await HeartData.PooledTestAsync(plan, TestContext.Current.CancellationToken);
            using SimulationResult result = await FederatedSimulation.RunAsync(plan, new HeartData(), ct: TestContext.Current.CancellationToken);
            accuracies.Add(HeartData.Accuracy(plan, result.Server.Model, pooled));
        }

        TestContext.Current.SendDiagnosticMessage($"{strategy}: {string.Join(" ", accuracies.Select(a => a.ToString("F4")))}");
        Assert.InRange(accuracies.Average(), 0.7480 - 0.024, 0.7480 + 0.024);
    }

    // The sizes that FLamby reports (Ogier du Terrail et al. 2022, table 1): 303, 261, 46 and 130 patients.
    [Fact]
    public async Task Csv_files_give_the_four_hospitals_with_the_published_sizes()
    {
        RunPlan plan = RunPlan.Create(Plan(new FedAvg(), 1).Definition with { Data = HeartData.Contract }, Registry.CreateDefault().AddTraining());
        var folders = new DataFolders(".", SharedData.Require("data/heart_disease"), new DatasetStore());
        DataPool pool = await HeartData.Source.LoadAsync(new DataRequest(plan, folders), TestContext.Current.CancellationToken);
        Assert.Equal([303, 261, 46, 130], pool.Groups!.Select(group => group.Rows.Length));
    }

    private static RunPlan Plan(IStrategy strategy, long seed) => RunPlan.Create(
        new RunDefinition
        {
            Name = "heart",
            Seed = seed,
            Model = GoldenRun.HeartModel,
            Strategy = strategy,
            Training = new TrainingPlan { Steps = 100, BatchSize = 4, LearningRate = 0.001 },
            Rounds = new RoundPolicy { Count = 15 },
            Evaluation = new EvaluationPlan { Every = 0 },
        },
        Registry.CreateDefault());
}
