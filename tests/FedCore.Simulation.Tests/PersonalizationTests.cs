using FedCore.Rounds;
using FedCore.Simulation.Reporting;
using FedCore.Strategies;
using FedCore.Tests;
using FedCore.Training;
using FedCore.Training.Data;

namespace FedCore.Simulation.Tests;

/// <summary>What the global model is at each client: the distribution over clients, and fine-tuning before an evaluation.</summary>
public class PersonalizationTests
{
    private static readonly RoundPolicy Rounds = new() { Count = 6 };

    [Fact]
    public async Task The_distribution_is_that_of_the_clients_own_accuracies()
    {
        RunPlan plan = SmallRun.Plan(Rounds);
        using SimulationResult result = await SmallRun.RunAsync(plan);
        using ITrainingWorkspace workspace = new Training.Engine.EmbeddedTrainer().CreateWorkspace(plan);
        IFederatedData data = SmallRun.Data(plan);
        double[] own = [.. Enumerable.Range(0, 8).Select(client =>
        {
            Updates.Update sums = workspace.Evaluate(new EvaluateTask([DataSplit.Test], 7, 0, 8, result.Server.Model, plan.EvaluateLayout), "any", data.Get(client), new InMemoryClientState());
            return Math.Round(sums.Scalar("correct") / sums.Scalar("examples"), 2);
        }).Order()];
        ClientDistribution found = result.State.Evaluations[^1].Distributions["accuracy"];
        Assert.Equal((own[0], (own[3] + own[4]) / 2, own[7]), (found.Worst10, found.Median, found.Best10));
        Assert.Equal(8, found.Clients.Sum());
    }

    [Fact]
    public async Task Without_a_distribution_nothing_of_it_is_sent()
    {
        using SimulationResult result = await SmallRun.RunAsync(SmallRun.Plan(Rounds, evaluation: new EvaluationPlan { Distribution = null }));
        EvaluationReceipt last = result.State.Evaluations[^1];
        Assert.Empty(last.Distributions);
        Assert.Equal(8 * 3 * sizeof(double), last.BytesUp);
    }

    // Every client has a true model of its own (alpha 2), which the mean of them cannot be.
    [Fact]
    public async Task Fine_tuning_helps_clients_that_differ_and_leaves_the_run_as_it_is()
    {
        RunPlan plain = SmallRun.Plan(Rounds), tuned = SmallRun.Plan(Rounds, evaluation: new EvaluationPlan { FineTune = new FineTuning { Epochs = 20 } });
        using SimulationResult without = await RunAsync(plain), with = await RunAsync(tuned);
        Assert.True(with.Metrics["accuracy"] > without.Metrics["accuracy"] + 0.05, $"{with.Metrics["accuracy"]} {without.Metrics["accuracy"]}");

        // The other file has another hash and so other random numbers; of itself the tuned run leaves the same model without its evaluations.
        RunPlan unseen = SmallRun.Plan(Rounds, evaluation: new EvaluationPlan { FineTune = new FineTuning { Epochs = 20 } });
        using SimulationResult again = await FederatedSimulation.RunAsync(
            unseen, new SyntheticClients { Clients = 8, Examples = 60, Alpha = 2, Beta = 2 }.Create(unseen), new SimulationOptions { Threads = 3 }, TestContext.Current.CancellationToken);
        Assert.Equal(with.Server.Model.Digest(), again.Server.Model.Digest());

        static Task<SimulationResult> RunAsync(RunPlan plan) => FederatedSimulation.RunAsync(
            plan, new SyntheticClients { Clients = 8, Examples = 60, Alpha = 2, Beta = 2 }.Create(plan), new SimulationOptions { Threads = 1 }, TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task Results_on_disk_show_the_distribution()
    {
        RunPlan plan = SmallRun.Plan(Rounds);
        using SimulationResult result = await SmallRun.RunAsync(plan);
        using var folder = new TemporaryFolder();
        MetricsFile.WriteMetrics(folder["metrics.jsonl"], result.State);
        Assert.Contains("\"accuracyWorst10\":", await File.ReadAllTextAsync(folder["metrics.jsonl"], TestContext.Current.CancellationToken), StringComparison.Ordinal);
        HtmlReport.Write(folder["report.html"], plan, result, SmallRun.Data(plan));
        string page = await File.ReadAllTextAsync(folder["report.html"], TestContext.Current.CancellationToken);
        Assert.Contains("Accuracy, from client to client", page, StringComparison.Ordinal);
        Assert.Contains("worst 10 % of clients", page, StringComparison.Ordinal);
    }
}
