using System.Net;
using System.Text.Json;
using System.Text.RegularExpressions;
using FedCore.Rounds;
using FedCore.Rounds.Privacy;
using FedCore.Simulation.Devices;
using FedCore.Simulation.Reporting;
using FedCore.Tests;
using FedCore.Training.Data;
using FedCore.Training.Data.Idx;
using FedCore.Training.Partitioning;

namespace FedCore.Simulation.Tests.Reporting;

public class ReportTests
{
    private const string Nasty = "<script>alert('x')</script>&\"";

    [Fact]
    public async Task The_page_needs_nothing_beside_itself()
    {
        string page = await PageAsync("plain");
        Assert.DoesNotMatch(new Regex(@"https?:|\bsrc\s*=|\bhref\s*=|@import|url\(|<script|<link|<iframe", RegexOptions.IgnoreCase), page);
    }

    [Fact]
    public async Task Names_of_runs_and_clients_are_shown_as_text_and_never_run()
    {
        string page = await PageAsync(Nasty);
        Assert.DoesNotContain("<script", page, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;&quot; 3", page, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_private_run_says_what_it_promises_and_what_was_spent_against_whom()
    {
        RunPlan plan = SmallRun.Plan(
            training: new TrainingPlan { Epochs = 2, BatchSize = 6, LearningRate = 0.1, WeightBy = WeightBy.Uniform },
            change: run => run with { Privacy = new PrivacyPolicy { Clip = 0.5, NoiseMultiplier = 1, Delta = 1e-5, PublicEvaluation = true } });
        using SimulationResult result = await SmallRun.RunAsync(plan);
        using var folder = new TemporaryFolder();
        HtmlReport.Write(folder["report.html"], plan, result, SmallRun.Data(plan));
        string page = WebUtility.HtmlDecode(await File.ReadAllTextAsync(folder["report.html"], TestContext.Current.CancellationToken));
        Assert.Contains("of one client · neighbours zeroOut · central noise of 1 · clip 0.5 · delta 1E-05", page, StringComparison.Ordinal);
        Assert.Matches(@"against recipients</dt><dd>epsilon 9\.\d+ \(pld\): the aggregator is trusted", page);
        Assert.Contains("against the aggregator</dt><dd>no bound, since it rests on nothing: the aggregator adds the noise", page, StringComparison.Ordinal);
        Assert.Contains("Epsilon, spent so far", page, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Every_element_that_is_opened_is_closed()
    {
        string page = await PageAsync(Nasty);
        Assert.All(new[] { "div", "section", "svg", "text", "title", "p", "b", "span", "main", "header", "details", "pre", "html", "body", "head", "style", "h1", "h2", "i" }, element =>
            Assert.Equal(Regex.Count(page, $"<{element}[ >]"), Regex.Count(page, $"</{element}>")));
    }

    [Fact]
    public async Task Header_says_what_was_run()
    {
        string page = WebUtility.HtmlDecode(await PageAsync("plain"));
        Assert.Contains("<dt>strategy</dt><dd>fedavg · server average (learningRate 1)</dd>", page, StringComparison.Ordinal);
        Assert.Contains("<dt>data</dt><dd>idx · dataset mnist</dd>", page, StringComparison.Ordinal);
        Assert.Contains("<dt>partition</dt><dd>dirichlet · clients 9 · alpha 0.3 · minimumExamples 2</dd>", page, StringComparison.Ordinal);
        Assert.Contains("<dt>devices</dt><dd>d</dd>", page, StringComparison.Ordinal);
        Assert.Contains("\"simulation\": {", page, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Header_says_how_updates_are_shortened_and_summed_who_attacks_and_what_stays_with_the_clients()
    {
        RunPlan plan = SmallRun.Plan(change: run => run with
        {
            Model = run.Model with { Layers = [new Models.Layers.LinearSpec { Outputs = 4 }, new Models.Layers.LinearSpec { Outputs = 3, Local = true }] },
            Aggregator = new Aggregation.Robust.TrimmedMean { Byzantine = 1 },
            Disclosures = [Disclosure.IndividualUpdates],
            Transforms = [new Compression.Sparsifiers.RandomK { Share = 0.5 }, new Compression.Formats.Int4()],
        });
        var attackers = new Poisoning.Attackers { Clients = 1, Behavior = new Poisoning.SignFlipPoisoning() };
        using SimulationResult result = await SmallRun.RunAsync(plan, new SimulationOptions { Attackers = attackers, Definition = new SimulationDefinition { Attackers = attackers } });
        using var folder = new TemporaryFolder();
        HtmlReport.Write(folder["report.html"], plan, result, SmallRun.Data(plan));
        string page = WebUtility.HtmlDecode(await File.ReadAllTextAsync(folder["report.html"], TestContext.Current.CancellationToken));
        Assert.Contains("<dt>aggregator</dt><dd>trimmedMean · byzantine 1 · share 0.2</dd>", page, StringComparison.Ordinal);
        Assert.Contains("<dt>transforms</dt><dd>randomK · share 0.5 · unbiased false, then int4</dd>", page, StringComparison.Ordinal);
        Assert.Contains("<dt>attackers</dt><dd>clients 1 · behavior signFlip</dd>", page, StringComparison.Ordinal);
        Assert.Contains("<dt>model</dt><dd>28 parameters, and 15 of each client's own</dd>", page, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_row_is_as_dark_as_its_largest_class_whatever_others_have()
    {
        string page = await PageAsync("plain");
        string[] shades = [.. Regex.Matches(page, @"fill-opacity:([\d.]+)").Select(match => match.Groups[1].Value)];
        Assert.Equal(9 * 3, shades.Length);
        Assert.All(shades.Chunk(3), row => Assert.Contains("1.000", row));
        Assert.Contains("each row has a scale of its own", page, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Of_a_long_run_the_last_rounds_are_drawn_with_their_own_numbers()
    {
        RunPlan plan = SmallRun.Plan(new RoundPolicy { Count = 450 }, evaluation: new EvaluationPlan { Every = 0 }, training: new TrainingPlan { LearningRate = 0.1 });
        string page = await PageAsync(plan, new Named(SmallRun.Data(plan, 2), "c"), new SimulationOptions());
        string chart = page[page.IndexOf("Who took part", StringComparison.Ordinal)..];
        Assert.Contains("the last 400 of 450 rounds", chart, StringComparison.Ordinal);
        Assert.Contains("text-anchor=\"middle\">51</text>", chart, StringComparison.Ordinal);
        Assert.DoesNotContain("text-anchor=\"middle\">1</text>", chart, StringComparison.Ordinal);
        Assert.Contains("c 0, round 450: reported", chart, StringComparison.Ordinal);
        Assert.Equal(2, Regex.Count(chart, ">450</text>"));
    }

    [Fact]
    public async Task Reports_in_abandoned_rounds_do_not_count_as_taking_part()
    {
        RunPlan plan = SmallRun.Plan(new RoundPolicy { Count = 30, MinimumReports = 2, MaxAbandonedInARow = 30 });
        var data = new Named(SmallRun.Data(plan, 2), "c");
        var options = new SimulationOptions { Devices = [new DeviceProfile { Name = "d", Availability = 0.6 }] };
        using SimulationResult result = await FederatedSimulation.RunAsync(plan, data, options, TestContext.Current.CancellationToken);
        int committed = result.State.Rounds.Count(round => round.Committed);
        int reports = result.State.Rounds.Count(round => round.Clients.Any(client => client is { Client: "c 0", Outcome: ClientOutcome.Reported }));
        Assert.InRange(committed, 1, reports - 1);
        string chart = await PageAsync(plan, data, options);
        chart = chart[chart.IndexOf("Who took part", StringComparison.Ordinal)..];
        Assert.Equal(2, Regex.Count(chart, $"text-anchor=\"end\">{committed}</text>"));
    }

    [Fact]
    public async Task Metrics_have_a_line_per_round_that_agrees_with_the_evaluations()
    {
        RunPlan plan = SmallRun.Plan(new RoundPolicy { Count = 5 }, evaluation: new EvaluationPlan { Every = 2 });
        using SimulationResult result = await SmallRun.RunAsync(plan);
        using var folder = new TemporaryFolder();
        MetricsFile.WriteMetrics(folder["m"], result.State);
        JsonElement[] lines = [.. File.ReadLines(folder["m"]).Select(line => JsonElement.Parse(line))];
        Assert.Equal([1, 2, 3, 4, 5], lines.Select(line => line.GetProperty("round").GetInt32()));
        Assert.Equal([2, 4, 5], lines.Where(line => line.TryGetProperty("accuracy", out _)).Select(line => line.GetProperty("round").GetInt32()));
        Assert.All(result.State.Evaluations, evaluation => Assert.All(
            evaluation.Metrics, metric => Assert.Equal(metric.Value, lines[evaluation.Round - 1].GetProperty(metric.Key).GetDouble())));
        Assert.All(result.State.Rounds, round => Assert.Equal(round.Metrics["localLoss"], lines[round.Round - 1].GetProperty("localLoss").GetDouble()));
    }

    [Fact]
    public async Task Receipts_read_back_as_they_are()
    {
        using SimulationResult result = await SmallRun.RunAsync(SmallRun.Plan());
        using var folder = new TemporaryFolder();
        MetricsFile.WriteReceipts(folder["r"], result.State, SmallRun.Names);
        JsonSerializerOptions options = Json.FedCoreJson.Options(SmallRun.Names);
        Assert.Equivalent(result.State.Rounds, File.ReadLines(folder["r"]).Select(line => JsonSerializer.Deserialize<RoundReceipt>(line, options)).ToArray(), strict: true);
    }

    // The fast clients answer several times in a round.
    [Fact]
    public async Task A_buffered_run_has_a_report_too()
    {
        RunPlan plan = SmallRun.Plan(new RoundPolicy { Count = 12, Buffer = new BufferPolicy { Size = 6 } });
        string page = await PageAsync(plan, SmallRun.Data(plan, 4), new SimulationOptions { Devices = [new DeviceProfile { Name = "d", SpeedSpread = 2 }] });
        Assert.Contains("Who took part", page, StringComparison.Ordinal);
    }

    // Some clients are absent and some rounds abandoned, so that every kind of cell is drawn.
    private static async Task<string> PageAsync(string name)
    {
        RunPlan plan = SmallRun.Plan(new RoundPolicy { Count = 12, DeadlineSeconds = 4, MinimumReports = 3, MaxAbandonedInARow = 12 }, name: name);
        var data = new Named(SmallRun.Data(plan, 9), name);
        var device = new DeviceProfile { Name = "d", Availability = 0.8, ExamplesPerSecond = 10, SpeedSpread = 0.4 };
        var options = new SimulationOptions
        {
            Devices = [device],
            Definition = new SimulationDefinition
            {
                Data = new IdxSource { Dataset = "mnist" },
                Partition = new DirichletPartitioner { Clients = 9, Alpha = 0.3 },
                Devices = [device],
            },
        };
        return await PageAsync(plan, data, options);
    }

    private static async Task<string> PageAsync(RunPlan plan, IFederatedData data, SimulationOptions options)
    {
        using SimulationResult result = await FederatedSimulation.RunAsync(plan, data, options, TestContext.Current.CancellationToken);
        using var folder = new TemporaryFolder();
        HtmlReport.Write(folder["report.html"], plan, result, data);
        return await File.ReadAllTextAsync(folder["report.html"], TestContext.Current.CancellationToken);
    }

    private sealed class Named(IFederatedData inner, string name) : IFederatedData
    {
        public long ClientCount => inner.ClientCount;

        public string NameOf(long index) => $"{name} {index}";

        public int TrainCountOf(long index) => inner.TrainCountOf(index);

        public ClientData Get(long index) => inner.Get(index);
    }
}
