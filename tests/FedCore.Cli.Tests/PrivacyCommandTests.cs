using System.Text.Json;
using FedCore.Hosting.Storage;
using FedCore.Privacy;
using FedCore.Privacy.Accounting;
using FedCore.Privacy.Accounting.Events;
using FedCore.Privacy.Ledgers;
using FedCore.Tests;

namespace FedCore.Cli.Tests;

public class PrivacyCommandTests
{
    // Opacus' PRV accountant and Google's dp_accounting on the same parameters: 4.16 by the loss distribution, 4.4755 by Renyi divergences.
    [Fact]
    public async Task Epsilon_is_the_lower_of_both_accountants()
    {
        JsonElement answer = (await Fedcore.SucceedAsync("privacy", "epsilon", "--noise-multiplier", "2", "--sampling-rate", "0.05", "--steps", "1000", "--delta", "1e-6", "--json")).Json;
        Assert.Equal(4.1626, answer.GetProperty("epsilon").GetDouble(), 1e-3);
        Assert.Equal(4.4755, answer.GetProperty("bounds").GetProperty("rdp").GetDouble(), 1e-3);
        Assert.Equal("pld", answer.GetProperty("accountant").GetString());
    }

    [Fact]
    public async Task An_accountant_can_be_chosen() =>
        Assert.Equal(4.4755, (await Fedcore.SucceedAsync("privacy", "epsilon", "--noise-multiplier", "2", "--sampling-rate", "0.05", "--steps", "1000", "--delta", "1e-6", "--accountant", "rdp", "--json"))
            .Json.GetProperty("epsilon").GetDouble(), 1e-3);

    // Opacus: 1.3562 by Renyi divergences for epsilon 8.
    [Fact]
    public async Task Noise_for_an_epsilon_is_found() =>
        Assert.Equal(1.3562, (await Fedcore.SucceedAsync("privacy", "noise", "--epsilon", "8", "--sampling-rate", "0.04", "--steps", "2000", "--delta", "1e-5", "--accountant", "rdp", "--json"))
            .Json.GetProperty("noiseMultiplier").GetDouble(), 2e-4);

    [Fact]
    public async Task Text_says_what_the_number_means()
    {
        string text = (await Fedcore.SucceedAsync("privacy", "epsilon", "--noise-multiplier", "1", "--steps", "1", "--delta", "1e-5", "--population", "1000000")).Output;
        Assert.Contains("pld", text, StringComparison.Ordinal);
        Assert.Contains("98.76 % sure", text, StringComparison.Ordinal);
        Assert.Contains("Warning: delta is 1E-05, which is more than 1/1000000", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_plan_shows_rounds_and_budgets_and_draws_them()
    {
        using var folder = new TemporaryFolder();
        string run = folder.File("run.json", """
            {
              "name": "planned",
              "model": { "input": [30], "layers": [{ "type": "linear", "outputs": 2 }], "loss": { "type": "softmaxCrossEntropy" } },
              "strategy": { "type": "fedavg" },
              "training": { "learningRate": 0.05, "weightBy": "uniform" },
              "rounds": { "count": 10, "cohort": { "type": "uniform", "size": 10 } },
              "evaluation": { "every": 0 },
              "privacy": { "clip": 0.5, "noiseMultiplier": 1, "delta": 1e-5 }
            }
            """);
        Fedcore.Outcome text = await Fedcore.SucceedAsync("privacy", "plan", run, "--plot", folder["plan.html"]);
        Assert.Matches(@"10\s+17\.86\s+no bound", text.Output);
        Assert.Contains("<path class=\"line s0\"", await File.ReadAllTextAsync(folder["plan.html"], TestContext.Current.CancellationToken), StringComparison.Ordinal);

        // mu = sqrt(10)/z of Gaussian differential privacy is 8 at delta 1e-5 for z = 1.898; the model has 62 numbers.
        JsonElement json = (await Fedcore.SucceedAsync("privacy", "plan", run, "--clients", "1000000", "--json")).Json, eight = json.GetProperty("budgets").EnumerateArray().Single(budget => budget.GetProperty("epsilon").GetDouble() == 8);
        Assert.Equal(1.898, eight.GetProperty("noiseMultiplier").GetDouble(), 1e-3);
        Assert.Equal(1.898 * Math.Sqrt(62) / 10, eight.GetProperty("overSignal").GetDouble(), 1e-3);
        Assert.Contains("more than 1/1000000", json.GetProperty("warning").GetString(), StringComparison.Ordinal);
        Fedcore.Outcome none = await Fedcore.RunAsync("privacy", "plan", Fedcore.Hospitals);
        Assert.Equal(3, none.Code);
        Assert.Contains("promises no privacy", none.Error, StringComparison.Ordinal);
    }

    // A tenth of the 40 clients that the file's simulation has.
    [Fact]
    public async Task A_plan_takes_the_number_of_clients_from_the_files_simulation()
    {
        Fedcore.Outcome text = await Fedcore.SucceedAsync(
            "privacy", "plan", Fedcore.Hospitals, "--set", "privacy={\"clip\":1,\"epsilon\":8,\"delta\":1e-5}", "--set", "training.weightBy=uniform", "--set", "evaluation.every=0",
            "--set", "rounds={\"count\":1,\"cohort\":{\"type\":\"poisson\",\"rate\":0.1}}", "--set", "simulation.partition={\"type\":\"iid\",\"clients\":40}");
        Assert.Contains("means over 4 clients", text.Output, StringComparison.Ordinal);
        Assert.Contains("For the only round", text.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_delta_that_promises_too_little_for_so_many_clients_is_warned_of()
    {
        Fedcore.Outcome outcome = await Fedcore.SucceedAsync(
            "simulate", Fedcore.Hospitals, "--json", "--set", "training.weightBy=uniform", "--set", "rounds.count=1", "--set", """privacy={"clip":1,"epsilon":8,"delta":0.5,"publicEvaluation":true}""");
        Assert.Contains("warning: privacy.delta is 0.5, which is more than 1/", outcome.Error, StringComparison.Ordinal);
        Assert.Contains("as it is would keep to it", outcome.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_ledger_is_shown_and_verified()
    {
        using var folder = new TemporaryFolder();
        using (LedgerFile ledger = LedgerFile.Open(folder["privacy-ledger.jsonl"]))
        {
            LedgerEntry entry = new()
            {
                At = DateTimeOffset.UnixEpoch,
                Kind = LedgerEntryKind.Reserved,
                Run = "trial",
                Hash = "sha256:00",
                Round = 1,
                Use = "a",
                Source = "data",
                Unit = PrivacyUnit.Client,
                Relation = NeighboringRelation.ZeroOut,
                Adversary = PrivacyAdversary.Aggregator,
                Event = new GaussianEvent(1),
            };
            await ledger.AppendAsync(_ => [entry, entry with { Use = "b", Round = 2 }], TestContext.Current.CancellationToken);
        }

        Fedcore.Outcome shown = await Fedcore.SucceedAsync("privacy", "ledger", "show", folder.Path), whole = await Fedcore.SucceedAsync("privacy", "ledger", "verify", folder.Path, "--json");
        Assert.Contains("trial", shown.Output, StringComparison.Ordinal);
        Assert.Contains("data: used 2 times; epsilon 7.07", shown.Output, StringComparison.Ordinal);
        string head = whole.Json.GetProperty("head").GetString()!;
        await Fedcore.SucceedAsync("privacy", "ledger", "verify", folder.Path, "--head", head);
        Assert.Equal(3, (await Fedcore.RunAsync("privacy", "ledger", "verify", folder.Path, "--head", new string('a', 64))).Code);
        await File.WriteAllTextAsync(folder["privacy-ledger.jsonl"], (await File.ReadAllTextAsync(folder["privacy-ledger.jsonl"], TestContext.Current.CancellationToken)).Replace("trial", "other", StringComparison.Ordinal), TestContext.Current.CancellationToken);
        Fedcore.Outcome broken = await Fedcore.RunAsync("privacy", "ledger", "verify", folder.Path);
        Assert.Equal(3, broken.Code);
        Assert.Contains("is broken: entry 1", broken.Error, StringComparison.Ordinal);
        Assert.Contains("There is no privacy ledger", (await Fedcore.RunAsync("privacy", "ledger", "show", folder["nowhere"])).Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("distributed-discrete-gaussian", "--clients", "100", "--dimension", "200000")]
    [InlineData("tree", "--max-participations", "3", "--min-separation", "20")]
    [InlineData("gaussian", "--population", "10000", "--sample", "100")]
    public async Task Every_mechanism_has_a_bound_by_renyi_divergences(string mechanism, params string[] options)
    {
        JsonElement answer = (await Fedcore.SucceedAsync(["privacy", "epsilon", "--noise-multiplier", "3", "--steps", "50", "--delta", "1e-5", "--mechanism", mechanism, .. options, "--json"])).Json;
        Assert.InRange(answer.GetProperty("bounds").GetProperty("rdp").GetDouble(), 0.1, 20);
    }

    [Theory]
    [InlineData("distributed-discrete-gaussian", "it holds against those who get the model and took no part. The aggregator sees who does: against it the sampling rate is 1.")]
    [InlineData("gaussian", "Where a site draws examples in secret it holds against everybody else.")]
    public async Task Who_must_not_see_the_sample_is_said_of_an_epsilon_that_rests_on_it(string mechanism, string said)
    {
        string[] distributed = mechanism == "gaussian" ? [] : ["--clients", "10", "--dimension", "100"];
        string[][] questions = [["privacy", "epsilon", "--noise-multiplier", "3"], ["privacy", "noise", "--epsilon", "4"]];
        foreach (string[] question in questions)
        {
            string[] all = [.. question, "--mechanism", mechanism, .. distributed, "--steps", "50", "--delta", "1e-5"], sampled = [.. all, "--sampling-rate", "0.1"];
            Assert.Contains(said, (await Fedcore.SucceedAsync(sampled)).Output, StringComparison.Ordinal);
            Assert.Contains("against it the sampling rate is 1", (await Fedcore.SucceedAsync([.. sampled, "--json"])).Json.GetProperty("holdsAgainst").GetString(), StringComparison.Ordinal);
            Assert.DoesNotContain("holds against", (await Fedcore.SucceedAsync(all)).Output, StringComparison.Ordinal);
            Assert.False((await Fedcore.SucceedAsync([.. all, "--json"])).Json.TryGetProperty("holdsAgainst", out _));
        }
    }

    [Theory]
    [InlineData("gaussian", "--clients", "10", "distributed-discrete-gaussian")]
    [InlineData("gaussian", "--dimension", "10", "distributed-discrete-gaussian")]
    [InlineData("tree", "--local-sigma", "8", "distributed-discrete-gaussian")]
    [InlineData("gaussian", "--max-participations", "7", "tree")]
    [InlineData("distributed-discrete-gaussian", "--min-separation", "0", "tree")]
    public async Task Options_of_another_mechanism_are_refused(string mechanism, string option, string value, string owner)
    {
        string[][] questions = [["privacy", "epsilon", "--noise-multiplier", "3"], ["privacy", "noise", "--epsilon", "4"]];
        foreach (string[] question in questions)
        {
            Fedcore.Outcome outcome = await Fedcore.RunAsync([.. question, "--mechanism", mechanism, option, value, "--steps", "5", "--delta", "1e-5"]);
            Assert.Equal(2, outcome.Code);
            Assert.Contains($"{option} changes nothing with --mechanism {mechanism}: it belongs to --mechanism {owner}", outcome.Error, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData(3, "--delta is 0", "epsilon", "--noise-multiplier", "1", "--steps", "1", "--delta", "0")]
    [InlineData(3, "--delta is 1", "epsilon", "--noise-multiplier", "1", "--steps", "1", "--delta", "1")]
    [InlineData(3, "--noise-multiplier is 0", "epsilon", "--noise-multiplier", "0", "--steps", "1", "--delta", "1e-5")]
    [InlineData(3, "--sampling-rate is 1.5", "epsilon", "--noise-multiplier", "1", "--steps", "1", "--delta", "1e-5", "--sampling-rate", "1.5")]
    [InlineData(3, "--epsilon is -1", "noise", "--epsilon", "-1", "--steps", "1", "--delta", "1e-5")]
    [InlineData(2, "--steps is 0", "epsilon", "--noise-multiplier", "1", "--steps", "0", "--delta", "1e-5")]
    [InlineData(2, "--delta is 'tiny'", "epsilon", "--noise-multiplier", "1", "--steps", "1", "--delta", "tiny")]
    [InlineData(2, "--sample needs --population", "epsilon", "--noise-multiplier", "1", "--steps", "1", "--delta", "1e-5", "--sample", "10")]
    [InlineData(2, "--dimension", "epsilon", "--noise-multiplier", "1", "--steps", "1", "--delta", "1e-5", "--mechanism", "distributed-discrete-gaussian", "--clients", "10")]
    [InlineData(2, "Use the RDP accountant", "epsilon", "--noise-multiplier", "1", "--steps", "1", "--delta", "1e-5", "--accountant", "pld", "--population", "10", "--sample", "2")]
    public async Task What_is_out_of_range_is_refused_by_name(int code, string message, params string[] options)
    {
        Fedcore.Outcome outcome = await Fedcore.RunAsync(["privacy", .. options]);
        Assert.Equal(code, outcome.Code);
        Assert.Contains(message, outcome.Error, StringComparison.Ordinal);
    }
}
