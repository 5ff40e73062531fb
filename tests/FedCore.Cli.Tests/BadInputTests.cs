using FedCore.Tests;
namespace FedCore.Cli.Tests;

/// <summary>Each mistake ends with its exit code and one message that names file, place, value and remedy.</summary>
public class BadInputTests
{
    // What to change in a sound run, the exit code, and fragments of the message.
    public static TheoryData<string, int, string[]> Changes => new()
    {
        { "trainin.epochs=1", 3, ["run.json", "trainin", "Did you mean \"training\""] },
        { "strategy.mu=1", 3, ["run.json", "strategy.mu", "server"] },
        { "strategy.type=fedpox", 3, ["run.json", "strategy.type", "fedpox", "Did you mean \"fedprox\""] },
        { "training.epochs=\"two\"", 3, ["run.json", "training.epochs", "\"two\"", "whole number"] },
        { "training.learningRate=0", 3, ["run.json", "training.learningRate", "is 0", "above 0"] },
        { "training.batchSize=-1", 3, ["run.json", "training.batchSize", "-1", "at least 0"] },
        { "model.input=[29]", 3, ["run.json", "model.input", "[29]", "[30]"] },
        { "model.layers[2].outputs=2", 3, ["run.json", "model.loss", "2", "softmaxCrossEntropy"] },
        { "model.layers[1]={\"type\":\"conv2d\",\"channels\":4,\"kernel\":3}", 3, ["run.json", "model.layers[1] (conv2d)", "[16]", "model.input"] },
        { "model.layers[0].type=dense", 3, ["run.json", "model.layers[0].type", "dense", "linear"] },
        { "simulation.partition.clients=1000", 3, ["run.json", "simulation.partition", "1000", "569"] },
        { "simulation.partition={\"type\":\"dirichlet\",\"clients\":200,\"alpha\":0.01}", 3, ["run.json", "simulation.partition", "alpha"] },
        { "simulation.data.files=[\"absent.csv\"]", 3, ["run.json", "simulation.data.files[0]", "absent.csv", "not found", "--data"] },
        { "simulation.data.files=[\"\"]", 3, ["run.json", "simulation.data.files[0]", "not the name of a file"] },
        { "simulation.data.dataset=mnst", 3, ["run.json", "simulation.data.dataset", "mnst", "fashion-mnist"] },
        { "simulation.data.delimiter=\"\\n\"", 3, ["run.json", "simulation.data.delimiter", "\\u000A"] },
        { "simulation.partition={\"type\":\"dirichlet\",\"clients\":10,\"minimumExamples\":100}", 3, ["run.json", "simulation.partition", "1000 examples", "569"] },
        { "seed=9223372036854775808", 3, ["run.json", "seed", "9223372036854775808", "9223372036854775807"] },
        { "model.layers=[{\"type\":\"linear\",\"outputs\":16777216},{\"type\":\"linear\",\"outputs\":16777216}]", 3, ["run.json", "model.layers[1] (linear)", "2147483647"] },
        { "data.features[1].name=radius_mean", 3, ["run.json", "data.features[1].name", "radius_mean", "data.features[0]"] },
        { "name=\"\\ud800\"", 2, ["--set", "surrogate"] },
        { "data.features[0].name=radius", 3, ["breast_cancer.csv", "radius", "radius_mean"] },
        { "rounds.cohort={\"type\":\"uniform\",\"size\":50}", 3, ["run.json", "50", "5 clients"] },
        { "rounds.minimumReports=50", 3, ["run.json", "rounds.minimumReports", "50", "5 clients"] },
        { "start={\"path\":\"absent.safetensors\"}", 3, ["absent.safetensors"] },
        { "training.learningRate=1e30", 5, ["diverged", "round 1", "training.learningRate", "1E+30"] },
        { "model.layers[9].outputs=2", 2, ["--set", "[9]", "3"] },
        { "rounds.count", 2, ["--set", "path=value"] },
    };

    [Theory]
    [MemberData(nameof(Changes))]
    public async Task Mistake_in_a_run_is_answered_in_one_line(string change, int code, string[] fragments) =>
        AssertFault(await Fedcore.RunAsync("simulate", Fedcore.Hospitals, "--set", change), code, fragments);

    public static TheoryData<string[], int, string[]> Commands => new()
    {
        { ["simulate", "absent.json"], 3, ["absent.json", "cannot be read"] },
        { ["simulate", "{hospitals}", "--data", "absent-folder"], 3, ["absent-folder", "--data"] },
        { ["data", "get", "imagenet"], 3, ["imagenet", "mnist"] },
        { ["simulate", ""], 3, ["''", "cannot be read"] },
        { ["simulate", "."], 3, ["'.'", "is a folder", "run.json"] },
    };

    [Theory]
    [MemberData(nameof(Commands))]
    public async Task Mistake_in_a_command_is_answered_in_one_line(string[] args, int code, string[] fragments) =>
        AssertFault(await Fedcore.RunAsync([.. args.Select(arg => arg.Replace("{hospitals}", Fedcore.Hospitals))]), code, fragments);

    [Theory]
    [InlineData("simulate")]
    [InlineData("simulate run.json --threads 0")]
    [InlineData("simulate run.json --threads many")]
    [InlineData("simulate run.json --threads 1025")]
    [InlineData("simulate run.json --out ")]
    [InlineData("simulate run.json --data ")]
    [InlineData("simulate run.json --out a\0b")]
    [InlineData("simulate run.json --resume")]
    [InlineData("simulate run.json --resume --restart --out x")]
    [InlineData("simulat")]
    [InlineData("data")]
    [InlineData("data get")]
    public async Task Mistyped_command_ends_with_code_2_and_points_to_help(string command)
    {
        Fedcore.Outcome outcome = await Fedcore.RunAsync(command.Split(' '));
        Assert.Equal(2, outcome.Code);
        Assert.Contains("--help", outcome.Error);
        Assert.Empty(outcome.Output);
    }

    [Theory]
    [InlineData("{ \"name\": \"x\", }x", "line 1")]
    [InlineData("{\n \"name\": \"x\",\n \"name\": \"y\" }", "name")]
    [InlineData("[1]", "object")]
    [InlineData("", "JSON")]
    [InlineData("{}", "has no \"")]
    [InlineData("{ \"name\": \"\\ud800\" }", "name", "surrogate")]
    [InlineData("{ \"\\u001b[2J\": 1 }", "\\u001B[2J is not known")]
    public async Task Text_that_is_no_run_file_is_refused(string text, params string[] fragments)
    {
        using var folder = new TemporaryFolder();
        AssertFault(await Fedcore.RunAsync("simulate", folder.File("run.json", text)), 3, ["run.json", .. fragments]);
    }

    [Theory]
    [InlineData("1,2,benign\nx,2,malignant\n", "line 3", "'x'", "not a number")]
    [InlineData("1,2,benign\n1,NaN,malignant\n", "line 3", "'NaN'", "data.missing")]
    [InlineData("1,2,benign\n1,Infinity,malignant\n", "line 3", "'Infinity'", "not finite")]
    [InlineData("1,2,benign\n1,,malignant\n", "line 3", "no value", "data.missing")]
    [InlineData("1,2,benign\n1,2\n", "line 3", "2 values", "3 columns")]
    [InlineData("1,2,benign\n1,2,unclear\n", "line 3", "'unclear'", "malignant")]
    [InlineData("", "no examples", "table.csv", "table.csv")]
    public async Task Table_that_breaks_the_contract_is_refused_with_line_and_value(string rows, string first, string second, string third)
    {
        using var folder = new TemporaryFolder();
        folder.File("table.csv", "a,b,diagnosis\n" + rows);
        AssertFault(await Fedcore.RunAsync("simulate", folder.File("run.json", TableRun)), 3, ["table.csv", first, second, third]);
    }

    [Theory]
    [InlineData(new byte[] { 0, 0, 8, 3, 0, 0, 0, 2 }, "header")]
    [InlineData(new byte[] { 1, 2, 3, 4, 5, 6, 7, 8 }, "magic number")]
    [InlineData(new byte[] { 0x1F, 0x8B, 3, 4, 5 }, "gzip")]
    public async Task Broken_image_file_is_refused(byte[] content, string fragment)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllBytes(Path.Combine(folder.Path, "images.idx"), content);
        File.WriteAllBytes(Path.Combine(folder.Path, "labels.idx"), [0, 0, 8, 1, 0, 0, 0, 1, 0]);
        AssertFault(await Fedcore.RunAsync("simulate", folder.File("run.json", ImageRun)), 3, ["images.idx", fragment]);
    }

    [Fact]
    public async Task Failed_run_leaves_earlier_results_as_they_were()
    {
        using var folder = new TemporaryFolder();
        await Fedcore.SucceedAsync("simulate", Fedcore.Hospitals, "--set", "rounds.count=2", "--out", folder.Path);
        Dictionary<string, byte[]> before = Directory.EnumerateFiles(folder.Path).ToDictionary(path => path, File.ReadAllBytes);

        Fedcore.Outcome outcome = await Fedcore.RunAsync("simulate", Fedcore.Hospitals, "--set", "training.learningRate=1e30", "--out", folder.Path);

        Assert.Equal(5, outcome.Code);
        Assert.Equal(before.Keys.Order(), Directory.EnumerateFileSystemEntries(folder.Path).Order());
        foreach ((string path, byte[] content) in before) Assert.Equal(content, File.ReadAllBytes(path));
    }

    [Fact]
    public async Task Folder_in_the_place_of_a_result_is_refused_before_the_run()
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder["report.html"]);
        AssertFault(await Fedcore.RunAsync("simulate", Fedcore.Hospitals, "--out", folder.Path), 3, ["report.html", "another --out"]);
        Assert.Equal([folder["report.html"]], Directory.EnumerateFileSystemEntries(folder.Path));
    }

    // The device of a full disk.
    [Fact]
    public async Task Output_that_cannot_be_written_is_one_line()
    {
        Assert.SkipUnless(File.Exists("/dev/full"), "There is no /dev/full here.");
        using var disk = new FileStream("/dev/full", FileMode.Open, FileAccess.Write, FileShare.Write, bufferSize: 0);
        await using var output = new StreamWriter(disk, bufferSize: 1) { AutoFlush = true };
        using var error = new StringWriter();
        int code = await CommandLine.RunAsync(["schema"], output, error);
        AssertFault(new Fedcore.Outcome(code, "", error.ToString()), 3, ["No space left", "space that is left"]);
    }

    [Fact]
    public async Task Defect_asks_for_a_report_and_shows_no_trace()
    {
        using var error = new StringWriter();
        int code = await CommandLine.RunAsync(["schema"], new BrokenWriter(), error);
        Assert.Equal(70, code);
        Assert.Contains("report", error.ToString());
        Assert.DoesNotContain("   at ", error.ToString());
    }

    private sealed class BrokenWriter : StringWriter
    {
        public override void Write(char value) => throw new TimeZoneNotFoundException();

        public override void Write(string? value) => throw new TimeZoneNotFoundException();

        public override void WriteLine(string? value) => throw new TimeZoneNotFoundException();

        public override Task WriteLineAsync(string? value) => throw new TimeZoneNotFoundException();
    }

    private static void AssertFault(Fedcore.Outcome outcome, int code, string[] fragments)
    {
        Assert.True(code == outcome.Code, $"code {outcome.Code}: {outcome.Error}");
        Assert.Single(outcome.Error.TrimEnd().Split('\n'));
        Assert.DoesNotContain("   at ", outcome.Error);
        foreach (string fragment in fragments) Assert.Contains(fragment, outcome.Error);
    }

    private const string TableRun = """
        {
          "name": "table",
          "model": { "input": [2], "layers": [{ "type": "linear", "outputs": 1 }], "loss": { "type": "binaryCrossEntropy" } },
          "data": {
            "features": [{ "name": "a" }, { "name": "b" }],
            "label": { "name": "diagnosis", "classes": ["benign", "malignant"] }
          },
          "strategy": { "type": "fedavg" },
          "training": { "learningRate": 0.1 },
          "rounds": { "count": 1 },
          "simulation": { "data": { "type": "csv", "files": ["table.csv"] } }
        }
        """;

    private const string ImageRun = """
        {
          "name": "images",
          "model": { "input": [4], "layers": [{ "type": "linear", "outputs": 2 }], "loss": { "type": "softmaxCrossEntropy" } },
          "strategy": { "type": "fedavg" },
          "training": { "learningRate": 0.1 },
          "rounds": { "count": 1 },
          "simulation": {
            "data": { "type": "idx", "images": "images.idx", "labels": "labels.idx", "testImages": null, "testLabels": null },
            "partition": { "type": "iid", "clients": 1 }
          }
        }
        """;
}
