using System.Reflection;
using System.Runtime.Loader;
using System.Security.Cryptography;
using FedCore.Client.Tests.Data;
using FedCore.Json;
using FedCore.Models;
using FedCore.Naming;
using FedCore.Naming.PlugIns;
using FedCore.Rounds;
using FedCore.Strategies;
using FedCore.Tests;
using FedCore.Training;
using FedCore.Training.Data;

namespace FedCore.Client.Tests.PlugIns;

/// <summary>A site that has installed a plug-in trains with its parts.</summary>
public sealed class PlugInTests : IDisposable
{
    private const string RunFile = """
        {
          "name": "fever", "model": { "input": [1], "layers": [{ "type": "linear", "outputs": 2 }], "loss": { "type": "softmaxCrossEntropy" } },
          "strategy": { "type": "halfSteps", "part": PART }, "training": { "steps": 1, "batchSize": 0, "learningRate": 0.1 }, "rounds": { "count": 1 }
        }
        """;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_plug_in_registers_its_parts()
    {
        (Registry registry, IReadOnlyList<LoadedPlugIn> loaded) = SamplePlugIn.Load(SamplePlugIn.Folder, new PlugInReference { Path = SamplePlugIn.File });
        LoadedPlugIn plugIn = Assert.Single(loaded);
        Assert.Equal(("FedCore.PlugIn.Sample", Path.Combine(SamplePlugIn.Folder, SamplePlugIn.File)), (plugIn.Assembly, plugIn.Path));
        Assert.Equal(Digest(plugIn.Path), plugIn.Sha256);
        Assert.Equal([("IDataSource", "fever"), ("IStrategy", "halfSteps"), ("ITrainer", "counting")], plugIn.Parts.Order());
        Assert.Equal(["counting", "embedded"], registry.NamesOf(typeof(ITrainer)).Keys);
    }

    // (x - 32) / 1.8 is the dependency's; half a step is half the change of a whole one, for powers of two exactly.
    [Fact]
    public async Task Trainer_source_and_strategy_of_a_plug_in_work_by_their_names_in_settings_and_run_files()
    {
        (Registry registry, _) = SamplePlugIn.Load(SamplePlugIn.Folder, new PlugInReference { Path = SamplePlugIn.File });
        Settings settings = JsonDocuments.Read<Settings>(
            JsonDocuments.Parse("""{ "trainer": { "type": "counting", "runs": 2 }, "data": { "type": "fever", "fahrenheit": [98.6, 104, 32, 96.8], "fever": 39 } }""", "site.json"), registry, "site.json");
        float[] half = await ChangeAsync(0.5), whole = await ChangeAsync(1);
        Assert.Contains(whole, change => change != 0);
        Assert.Equal(whole.Select(change => change / 2), half);
        await Assert.ThrowsAsync<InvalidOperationException>(() => ChangeAsync(1));

        async Task<float[]> ChangeAsync(double part)
        {
            string text = RunFile.Replace("PART", part.ToString(System.Globalization.CultureInfo.InvariantCulture), StringComparison.Ordinal);
            RunPlan plan = RunPlan.Create(JsonDocuments.Read<RunDefinition>(JsonDocuments.Parse(text, "run.json"), registry, "run.json"), registry);
            DataPool pool = await settings.Data.LoadAsync(_folder.AtSite(plan), TestContext.Current.CancellationToken);
            Assert.Equal([37f, 40, 0, 36], pool.Features().Select(row => row[0]));
            using ITrainingWorkspace workspace = settings.Trainer.CreateWorkspace(plan);
            using var model = new ModelState(plan.Model.Schema);
            using var server = new ServerState(model.Clone());
            var task = new TrainTask(plan.Definition.Strategy.Plan(new RoundContext(plan, 1, 1), new ClientDescriptor(0, new ClientId("site"))), 1, 0, 1, model, plan.TrainLayout, null);
            var update = await workspace.TrainAsync(
                task, "site", SiteData.Of(plan, pool, "site", 0), steps: 1, new InMemoryClientState(), TestContext.Current.CancellationToken);

            // A power of two examples, so that weighing by them is exact.
            Assert.Equal(4, update.Weight);
            return update.ReadBlock(0).ToArray();
        }
    }

    [Fact]
    public void The_embedded_trainer_has_a_name()
    {
        Settings settings = JsonDocuments.Read<Settings>(
            JsonDocuments.Parse("""{ "trainer": { "type": "embedded" }, "data": { "type": "csv", "files": ["a.csv"] } }""", "site.json"), Runs.Names, "site.json");
        Assert.IsType<Training.Engine.EmbeddedTrainer>(settings.Trainer);
    }

    [Fact]
    public void Two_plug_ins_have_dependencies_of_their_own_and_share_FedCore()
    {
        SamplePlugIn.CopyTo(_folder);
        Type[] sources =
        [
            .. new[] { SamplePlugIn.Folder, _folder.Path }.Select(
                folder => SamplePlugIn.Load(folder, new PlugInReference { Path = SamplePlugIn.File }).Registry.NamesOf(typeof(IDataSource))["fever"]),
        ];
        Assert.NotEqual(sources[0], sources[1]);
        Assert.All(sources, source => Assert.True(typeof(IDataSource).IsAssignableFrom(source)));
        string[] places = [.. sources.Select(source => Dependency(source).Location)];
        Assert.Equal([Path.Combine(SamplePlugIn.Folder, SamplePlugIn.Dependency), _folder[SamplePlugIn.Dependency]], places);
    }

    // Whoever publishes a plug-in without care copies FedCore along.
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Copies_of_FedCore_beside_a_plug_in_are_not_used(bool listed)
    {
        SamplePlugIn.CopyTo(_folder, without: listed ? [] : ["FedCore.PlugIn.Sample.deps.json"]);
        foreach (string file in (string[])["FedCore.Core.dll", "FedCore.Training.dll"]) File.Copy(Path.Combine(AppContext.BaseDirectory, file), _folder[file]);
        (Registry registry, _) = SamplePlugIn.Load(_folder.Path, new PlugInReference { Path = SamplePlugIn.File });
        Type source = registry.NamesOf(typeof(IDataSource))["fever"];
        Assert.True(typeof(IDataSource).IsAssignableFrom(source));
        Assert.Equal(_folder[SamplePlugIn.Dependency], Dependency(source).Location);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_pinned_digest_may_be_written_in_either_case(bool upper)
    {
        string digest = Digest(Path.Combine(SamplePlugIn.Folder, SamplePlugIn.File));
        var plugIn = new PlugInReference { Path = SamplePlugIn.File, Sha256 = upper ? digest.ToUpperInvariant() : digest };
        Assert.Single(SamplePlugIn.Load(SamplePlugIn.Folder, plugIn).Loaded);
    }

    // The dependency that a plug-in's code is given, asked of where that code lives.
    private static Assembly Dependency(Type type) =>
        AssemblyLoadContext.GetLoadContext(type.Assembly)!.LoadFromAssemblyName(new AssemblyName(Path.GetFileNameWithoutExtension(SamplePlugIn.Dependency)));

    private static string Digest(string path) => Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(path)));

    private sealed record Settings
    {
        public required ITrainer Trainer { get; init; }

        public required IDataSource Data { get; init; }
    }
}
