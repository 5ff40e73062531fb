using System.Security.Cryptography;
using FedCore.Models;
using FedCore.Naming;
using FedCore.Rounds;
using FedCore.Tests;

namespace FedCore.Simulation.Tests;

public sealed class RunFileTests : IDisposable
{
    private const string Sound = """
        {
          "name": "small",
          "model": { "input": [2], "layers": [{ "type": "linear", "outputs": 2 }], "loss": { "type": "softmaxCrossEntropy" } },
          "strategy": { "type": "fedavg" },
          "training": { "learningRate": 0.1 },
          "rounds": { "count": 3 },
          "simulation": { "clients": { "type": "synthetic", "clients": 7 } }
        }
        """;

    private static readonly Registry Names = SmallRun.Names;
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Where_clients_come_from_is_no_part_of_the_run_that_sites_approve()
    {
        RunFile file = Load(Sound), other = Load(Sound, "simulation.clients.clients=9");
        Assert.NotNull(file.Simulation.Clients);
        Assert.Equal(RunPlan.Create(file.Run, Names).Hash, RunPlan.Create(other.Run, Names).Hash);
    }

    [Fact]
    public void A_run_is_written_as_a_file_that_runs_again_as_the_same_run()
    {
        RunFile file = Load(Sound, "rounds.count=8", "simulation.cacheMb=3", "simulation.stragglers.share=0.5", "name=\"Übung <1>\"");
        RunPlan plan = RunPlan.Create(file.Run, Names);
        byte[] bytes = RunFile.Bytes(plan, file.Simulation);
        RunFile again = RunFile.Load(_folder.File("again.json", bytes), [], Names);
        RunPlan other = RunPlan.Create(again.Run, Names);
        Assert.Equal(plan.Hash, other.Hash);
        Assert.Equal(bytes, RunFile.Bytes(other, again.Simulation));
    }

    [Fact]
    public void An_assignment_changes_the_run_before_it_is_checked()
    {
        Assert.Equal(8, Load(Sound, "rounds.count=8").Run.Rounds.Count);
        Assert.Equal("json.schema", Assert.Throws<FedCoreException>(() => Load(Sound, "rounds.count=-1")).Code);
    }

    [Fact]
    public void A_time_that_no_day_has_is_refused_by_an_example_of_one_that_it_has()
    {
        var fault = Assert.Throws<FedCoreException>(() => Load(Sound, "simulation.devices=[{\"name\":\"a\",\"online\":[{\"from\":\"25:00\",\"to\":\"06:00\"}]}]"));
        Assert.Contains("simulation.devices[0].online[0].from is \"25:00\": it must be a time of day, such as \"06:00\".", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_without_a_simulation_section_is_refused()
    {
        var fault = Assert.Throws<FedCoreException>(() => Load(Sound.Replace("simulation", "simulations", StringComparison.Ordinal)));
        Assert.Equal(("json.schema", FaultKind.Configuration), (fault.Code, fault.Kind));
    }

    [Fact]
    public void A_file_that_is_not_there_is_named()
    {
        string path = _folder["absent.json"];
        var fault = Assert.Throws<FedCoreException>(() => RunFile.Load(path, [], Names));
        Assert.Equal("run.file", fault.Code);
        Assert.Contains(path, fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_that_is_not_UTF_8_is_refused_with_the_line()
    {
        string path = _folder.File("run.json", [.. "{\n  \"name\": \""u8, 0xE9, .. "\"}"u8]);
        var fault = Assert.Throws<FedCoreException>(() => RunFile.Load(path, [], Names));
        Assert.Equal(("run.file", FaultKind.Configuration), (fault.Code, fault.Kind));
        Assert.StartsWith($"{path} line 2: the byte 0xE9 at 13 is not UTF-8.", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_may_begin_with_the_mark_of_its_encoding()
    {
        foreach (System.Text.Encoding encoding in (System.Text.Encoding[])[System.Text.Encoding.UTF8, System.Text.Encoding.Unicode, System.Text.Encoding.BigEndianUnicode])
        {
            string path = _folder.File("run.json", [.. encoding.GetPreamble(), .. encoding.GetBytes(Sound.Replace("small", "é", StringComparison.Ordinal))]);
            Assert.Equal("é", RunFile.Load(path, [], Names).Run.Name);
        }
    }

    [Fact]
    public void A_path_that_is_none_is_refused()
    {
        Assert.Equal("run.file", Assert.Throws<FedCoreException>(() => RunFile.Load("", [], Names)).Code);
        Assert.Equal("run.start", Assert.Throws<FedCoreException>(() => Start(null, "\"a\\u0000b\"")).Code);
    }

    [Fact]
    public void A_run_without_a_start_draws_its_model() => Assert.Null(Start(null));

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_run_starts_from_the_file_that_it_names_beside_itself(bool withDigest)
    {
        float[] values = WriteModel("start.safetensors");
        using ModelState start = Start(withDigest ? Digest("start.safetensors") : null, "start.safetensors")!;
        Assert.Equal(values, start.Trainable.AsSpan().ToArray());
    }

    [Fact]
    public void A_start_with_another_digest_is_refused()
    {
        WriteModel("start.safetensors");
        Assert.Contains("start.sha256", Refusal(new string('0', 64)), StringComparison.Ordinal);
    }

    [Fact]
    public void A_start_that_is_not_there_is_named() => Assert.Contains("start.safetensors", Refusal(null), StringComparison.Ordinal);

    [Fact]
    public void A_start_that_is_no_path_is_refused() =>
        Assert.Equal("run.start", Assert.Throws<FedCoreException>(() => Start(null, "\"a\\u0000b\"")).Code);

    [Fact]
    public void A_start_that_is_no_model_is_refused()
    {
        _folder.File("start.safetensors", "not a model");
        Assert.Contains("start.safetensors", Refusal(null), StringComparison.Ordinal);
    }

    private string Refusal(string? digest)
    {
        var fault = Assert.Throws<FedCoreException>(() => Start(digest, "start.safetensors"));
        Assert.Equal(("run.start", FaultKind.Configuration), (fault.Code, fault.Kind));
        return fault.Message;
    }

    private ModelState? Start(string? digest, string? path = null)
    {
        string[] assignments = [.. path is null ? [] : new[] { $"start.path={path}" }, .. digest is null ? [] : new[] { $"start.sha256={digest}" }];
        RunFile file = Load(Sound, assignments);
        return file.LoadStart(RunPlan.Create(file.Run, Names));
    }

    private float[] WriteModel(string name)
    {
        RunPlan plan = RunPlan.Create(Load(Sound).Run, Names);
        using ModelState model = ModelState.Initialize(plan.Model, plan.Random.Stream("another"));
        using FileStream stream = File.Create(_folder[name]);
        SafeTensors.Write(stream, model, new Dictionary<string, string>());
        return model.Trainable.AsSpan().ToArray();
    }

    private string Digest(string name) => Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(_folder[name])));

    private RunFile Load(string text, params string[] assignments)
    {
        string path = _folder.File("run.json", text);
        return RunFile.Load(path, assignments, Names);
    }
}
