using FedCore.Models;
using FedCore.Models.Layers;
using FedCore.Models.Losses;
using FedCore.Privacy;
using FedCore.Privacy.Accounting.Events;
using FedCore.Privacy.Accounting.Pld;
using FedCore.Rounds;
using FedCore.Rounds.Privacy;
using FedCore.Strategies.Statistics;
using FedCore.Training.Data;

namespace FedCore.Simulation.Tests;

/// <summary>Means, variances, histograms and quantiles over clients, without and with what protects them.</summary>
public class StatisticsTests
{
    private const int Clients = 12, Examples = 500;

    private static readonly float[][] Ages = [.. Enumerable.Range(0, Clients).Select(client => Enumerable.Range(0, Examples).Select(i => (float)(20.317 + client + 50 * Math.Pow((i * 37 % Examples) / (double)Examples, 2))).ToArray())];

    private static double[] All => [.. Ages.SelectMany(ages => ages).Select(age => (double)age)];

    [Fact]
    public async Task Without_noise_they_are_those_of_all_examples_together()
    {
        using SimulationResult result = await RunAsync();
        double mean = All.Average();
        Assert.Equal(Clients * Examples, result.Metrics["examples"]);
        Assert.Equal(mean, result.Metrics["age.mean"], 1e-3);
        Assert.Equal(All.Average(age => (age - mean) * (age - mean)), result.Metrics["age.variance"], 0.02);
        for (int bin = 0; bin < 50; bin++) Assert.Equal(All.Count(age => (int)(age / 2) == bin) / (double)All.Length, result.Metrics[$"age.share.{bin:D2}"], 1e-5);

        // Within a bin of two years.
        double[] sorted = [.. All.Order()];
        foreach (double quantile in (double[])[0.1, 0.5, 0.9]) Assert.Equal(sorted[(int)(quantile * sorted.Length)], result.Metrics[FormattableString.Invariant($"age.quantile.{quantile}")], 2.0);
        foreach (int kind in (int[])[0, 1, 2]) Assert.Equal(Ages.SelectMany((ages, _) => ages.Select((_, i) => i % 3)).Count(k => k == kind) / (double)All.Length, result.Metrics[$"kind.share.{"abc"[kind]}"], 1e-5);
    }

    [Fact]
    public async Task Under_secure_aggregation_they_are_the_same()
    {
        using SimulationResult clear = await RunAsync(), secure = await RunAsync(run => run with { SecureAggregation = new SecureAggregationPolicy { MinimumCohort = 3 }, Training = run.Training with { MaxExamples = 1000 } });
        foreach ((string name, double value) in secure.Metrics) Assert.Equal(clear.Metrics[name], value, 0.01);
        Assert.False(secure.Metrics.ContainsKey("examples"));
    }

    [Fact]
    public async Task Where_sites_hide_their_examples_answers_are_near_and_cost_one_release()
    {
        var privacy = new PrivacyPolicy { Unit = PrivacyUnit.Example, Clip = 1.6, NoiseMultiplier = 2, Delta = 1e-5 };
        using SimulationResult result = await RunAsync(run => run with { Privacy = privacy });

        // Of each of twelve sites noise of 2 x 1.6 on sums of 500 examples: on a mean over a range of 100, a fifth of a year.
        Assert.Equal(All.Average(), result.Metrics["age.mean"], 4 * 100 * 2 * 1.6 / (Math.Sqrt(Clients) * Examples));
        Assert.NotEqual(All.Average(), result.Metrics["age.mean"], 1e-3);
        Assert.Equal(Clients * Examples, result.Metrics["examples"]);
        Assert.Equal(2 * 1.6 / (Math.Sqrt(Clients) * Examples), result.Metrics["noise"], 1e-9);
        var accountant = new PldAccountant();
        accountant.Record(new GaussianEvent(2));
        PrivacyReceipt receipt = Assert.Single(result.State.Rounds).Privacy!;
        Assert.Equal(PrivacyMechanism.Site, receipt.Mechanism);
        Assert.All(receipt.Spent, spent => Assert.Equal(accountant.Epsilon(1e-5), spent.Epsilon!.Value, 1e-4));
        Assert.All(receipt.Spent, spent => Assert.Contains("to what it says of its examples", spent.RestsOn, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(PrivacyMechanism.Central)]
    [InlineData(PrivacyMechanism.Distributed)]
    public async Task Where_whole_clients_are_hidden_noise_is_on_the_mean_of_their_means(PrivacyMechanism mechanism)
    {
        var privacy = new PrivacyPolicy { Clip = 1.6, NoiseMultiplier = 0.01, Delta = 1e-5, Mechanism = mechanism };
        using SimulationResult result = await RunAsync(run => run with
        {
            Privacy = privacy,
            SecureAggregation = mechanism == PrivacyMechanism.Distributed ? new SecureAggregationPolicy { MinimumCohort = 3 } : null,
            Training = run.Training with { WeightBy = WeightBy.Uniform },
        });
        Assert.Equal(All.Average(), result.Metrics["age.mean"], 4 * 100 * 0.01 * 1.6 * 2 / Clients);
        Assert.Equal(mechanism, result.State.Rounds[0].Privacy!.Mechanism);
    }

    [Theory]
    [InlineData("privacy.clip", "of up to", "clip")]
    [InlineData("run.strategy", "asked once", "rounds")]
    [InlineData("run.strategy", "no model to evaluate", "evaluation")]
    [InlineData("run.strategy", "deviations 1", "standardize")]
    [InlineData("privacy.composition", "means over all examples", "samplingRate")]
    public async Task What_makes_no_sense_is_refused_with_the_reason(string code, string words, string what)
    {
        var privacy = new PrivacyPolicy { Unit = PrivacyUnit.Example, Clip = 1.6, NoiseMultiplier = 2, Delta = 1e-5 };
        var fault = await Assert.ThrowsAsync<FedCoreException>(() => RunAsync(run => what switch
        {
            "clip" => run with { Privacy = privacy with { Clip = 1 } },
            "rounds" => run with { Rounds = run.Rounds with { Count = 2 } },
            "evaluation" => run with { Evaluation = new EvaluationPlan() },
            "standardize" => run with { Data = run.Data! with { Standardize = true } },
            _ => run with { Privacy = privacy with { SamplingRate = 0.1 } },
        }));
        Assert.Equal(code, fault.Code);
        Assert.Contains(words, fault.Message, StringComparison.Ordinal);
    }

    private static async Task<SimulationResult> RunAsync(Func<RunDefinition, RunDefinition>? change = null)
    {
        var definition = new RunDefinition
        {
            Name = "ages",
            Model = new ModelSpec { Input = [4], Layers = [new LinearSpec { Outputs = 1 }], Loss = new MeanSquaredErrorSpec() },
            Data = new DataContract { Features = [new Feature { Name = "age", Center = 40, Scale = 10 }, new Feature { Name = "kind", Categories = ["a", "b", "c"] }], Label = new Label { Name = "outcome" } },
            Strategy = new FederatedStatistics { Columns = [new StatisticsColumn { Name = "age", From = 0, To = 100, Bins = 50, Quantiles = [0.1, 0.5, 0.9] }, new StatisticsColumn { Name = "kind" }] },
            Training = new TrainingPlan { LearningRate = 1 },
            Rounds = new RoundPolicy { Count = 1 },
            Evaluation = new EvaluationPlan { Every = 0 },
        };
        RunPlan plan = RunPlan.Create(change?.Invoke(definition) ?? definition, SmallRun.Names);
        return await FederatedSimulation.RunAsync(plan, new AgeClients(), ct: TestContext.Current.CancellationToken);
    }

    private sealed class AgeClients : IFederatedData
    {
        public long ClientCount => Clients;

        public string NameOf(long index) => ClientNames.Of(index);

        public int TrainCountOf(long index) => Examples;

        public ClientData Get(long index)
        {
            float[] features = new float[4 * Examples];
            for (int i = 0; i < Examples; i++)
            {
                features[4 * i] = (Ages[index][i] - 40) / 10;
                features[4 * i + 1 + i % 3] = 1;
            }

            var set = new InMemoryExamples(new Shape(4), features, new float[Examples], 1);
            ExampleView all = ExampleView.All(set);
            return new ClientData(all, new ExampleView(set, all.Rows[..1]));
        }
    }
}
