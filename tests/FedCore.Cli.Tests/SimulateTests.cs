using System.Security.Cryptography;
using System.Text.Json;
using FedCore.Tests;

namespace FedCore.Cli.Tests;

public class SimulateTests
{
    [Fact]
    public async Task Json_ends_with_one_line_that_says_what_the_run_came_to()
    {
        JsonElement line = (await Fedcore.SucceedAsync("simulate", Fedcore.Hospitals, "--json")).Json;
        Assert.Equal(
            ["run", "rounds", "metrics", "clients", "privacy", "bytesUp", "bytesDown", "seconds", "peakMemoryMb", "modelDigest"],
            line.EnumerateObject().Select(property => property.Name));
        Assert.Equal(20, line.GetProperty("rounds").GetInt32());
        Assert.InRange(line.GetProperty("metrics").GetProperty("accuracy").GetDouble(), 0.93, 1);
        Assert.InRange(line.GetProperty("metrics").GetProperty("loss").GetDouble(), 0, 0.2);
        double[] clients = [.. ((string[])["worst10", "median", "best10"]).Select(name => line.GetProperty("clients").GetProperty("accuracy").GetProperty(name).GetDouble())];
        Assert.Equal(clients.Order(), clients);
        Assert.StartsWith("sha256:", line.GetProperty("run").GetString());

        // 513 parameters: down, 20 rounds of training and of evaluation for 5 clients each.
        Assert.Equal(20 * 2 * 5 * 513 * 4, line.GetProperty("bytesDown").GetInt64());

        // Up: the model's change, the weight and three sums; and three sums and a histogram of 101 bins for an evaluation.
        Assert.Equal(20 * 5 * ((513 * 4) + (4 * 8) + (3 * 8) + (101 * 8)), line.GetProperty("bytesUp").GetInt64());
    }

    [Fact]
    public async Task Result_is_the_same_for_any_number_of_threads_and_on_a_second_run()
    {
        string one = (await Fedcore.SucceedAsync("simulate", Fedcore.Hospitals, "--json", "--threads", "1")).ModelDigest;
        string two = (await Fedcore.SucceedAsync("simulate", Fedcore.Hospitals, "--json", "--threads", "2")).ModelDigest;
        string three = (await Fedcore.SucceedAsync("simulate", Fedcore.Hospitals, "--json", "--threads", "3")).ModelDigest;
        string again = (await Fedcore.SucceedAsync("simulate", Fedcore.Hospitals, "--json", "--threads", "2")).ModelDigest;
        Assert.Equal([one, one, one], [two, three, again]);
    }

    [Fact]
    public async Task Another_seed_gives_another_model()
    {
        string one = (await Fedcore.SucceedAsync("simulate", Fedcore.Hospitals, "--json", "--seed", "1")).ModelDigest;
        string two = (await Fedcore.SucceedAsync("simulate", Fedcore.Hospitals, "--json", "--seed", "2")).ModelDigest;
        Assert.NotEqual(one, two);
    }

    [Fact]
    public async Task Digest_is_the_sha256_of_the_models_file()
    {
        using var folder = new TemporaryFolder();
        string digest = (await Fedcore.SucceedAsync("simulate", Fedcore.Hospitals, "--json", "--out", folder.Path)).ModelDigest;
        byte[] file = await File.ReadAllBytesAsync(Path.Combine(folder.Path, "model.safetensors"), TestContext.Current.CancellationToken);
        Assert.Equal("sha256:" + Convert.ToHexStringLower(SHA256.HashData(file)), digest);
    }

    [Fact]
    public async Task Results_are_metrics_receipts_model_run_and_report()
    {
        using var folder = new TemporaryFolder();
        Fedcore.Outcome outcome = await Fedcore.SucceedAsync("simulate", Fedcore.Hospitals, "--out", folder.Path);
        Assert.Equal(
            ["metrics.jsonl", "model.safetensors", "receipts.jsonl", "report.html", "run.json"],
            Directory.EnumerateFileSystemEntries(folder.Path).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        Assert.Contains(Path.Combine(folder.Path, "report.html"), outcome.Output);
        Assert.Equal(20, File.ReadLines(Path.Combine(folder.Path, "metrics.jsonl")).Count());
        Assert.Equal(20, File.ReadLines(Path.Combine(folder.Path, "receipts.jsonl")).Count());
    }

    [Fact]
    public async Task Run_file_among_the_results_runs_again_and_gives_the_same_model()
    {
        using var folder = new TemporaryFolder();
        JsonElement first = (await Fedcore.SucceedAsync(
            "simulate", Fedcore.Hospitals, "--json", "--out", folder.Path, "--seed", "4", "--set", "rounds.count=3", "--set", "simulation.partition.alpha=0.2")).Json;
        string[] again = ["simulate", folder["run.json"], "--json"];

        Assert.Contains("--data", (await Fedcore.RunAsync(again)).Error);
        JsonElement second = (await Fedcore.SucceedAsync([.. again, "--data", Path.GetDirectoryName(Fedcore.Hospitals)!])).Json;
        foreach (string property in (string[])["run", "modelDigest"]) Assert.Equal(first.GetProperty(property).GetString(), second.GetProperty(property).GetString());
    }

    [Fact]
    public async Task Abandoned_rounds_are_counted_in_the_last_line()
    {
        string[] args = ["simulate", Fedcore.Hospitals, "--set", "rounds.minimumReports=3", "--set", "rounds.maxAbandonedInARow=20"];
        Fedcore.Outcome outcome = await Fedcore.SucceedAsync([.. args, "--set", "simulation.devices=[{\"name\":\"old\",\"dropout\":0.5}]"]);
        Assert.Matches(@"\n  \d+ of 20 rounds were held, \d+ abandoned\. ", outcome.Output);

        Fedcore.Outcome vain = await Fedcore.RunAsync([.. args, "--set", "simulation.devices=[{\"name\":\"gone\",\"dropout\":1}]"]);
        Assert.Equal(5, vain.Code);
        Assert.Contains("rounds.minimumReports", vain.Error);
    }

    [Fact]
    public async Task Run_starts_from_a_checkpoint_and_refuses_another_file()
    {
        using var folder = new TemporaryFolder();
        await Fedcore.SucceedAsync("simulate", Fedcore.Hospitals, "--out", folder.Path);
        string model = Path.Combine(folder.Path, "model.safetensors");
        string sha256 = Convert.ToHexStringLower(SHA256.HashData(await File.ReadAllBytesAsync(model, TestContext.Current.CancellationToken)));
        string[] start = ["--json", "--set", "rounds.count=1", "--set", $"start.path={model}"];

        JsonElement warm = (await Fedcore.SucceedAsync(["simulate", Fedcore.Hospitals, .. start, "--set", $"start.sha256={sha256}"])).Json;
        Assert.InRange(warm.GetProperty("metrics").GetProperty("accuracy").GetDouble(), 0.93, 1);

        Fedcore.Outcome wrong = await Fedcore.RunAsync(["simulate", Fedcore.Hospitals, .. start, "--set", $"start.sha256={new string('0', 64)}"]);
        Assert.Equal(3, wrong.Code);
        Assert.Contains(sha256, wrong.Error);
    }

    [Fact]
    public async Task Published_page_of_strategies_is_the_one_that_the_registry_gives()
    {
        string published = await File.ReadAllTextAsync(
            Path.Combine(FedCore.Tests.SharedData.Repository, "docs", "reference", "strategies.md"), TestContext.Current.CancellationToken);
        Assert.Equal((await Fedcore.SucceedAsync("strategies")).Output.ReplaceLineEndings("\n"), published.ReplaceLineEndings("\n"));
    }

    [Fact]
    public async Task Published_schema_is_the_one_that_checks_run_files()
    {
        string published = await File.ReadAllTextAsync(
            Path.Combine(FedCore.Tests.SharedData.Repository, "docs", "reference", "run.schema.json"), TestContext.Current.CancellationToken);
        Assert.Equal((await Fedcore.SucceedAsync("schema")).Output.ReplaceLineEndings("\n"), published.ReplaceLineEndings("\n"));
    }
}
