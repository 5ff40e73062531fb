using FedCore.Models;
using FedCore.Models.Layers;
using FedCore.Models.Losses;
using FedCore.Naming;
using FedCore.Privacy;
using FedCore.Rounds;
using FedCore.Rounds.Privacy;
using FedCore.Strategies;
using FedCore.Tests;
using FedCore.Training.Data;
using FedCore.Training.Data.Csv;
using FedCore.Training.Data.Datasets;

namespace FedCore.Training.Tests.Privacy;

/// <summary>Where single examples are hidden, no record decides whether a site takes part: one that does not fit what the run says counts as none.</summary>
public sealed class FitExamplesTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("a category that the run does not know", "red,3,yes")]
    [InlineData("a number that is none", "blue,much,yes")]
    [InlineData("a number without a place in a float", "blue,1e300,yes")]
    [InlineData("a missing value", "blue,,yes")]
    [InlineData("a class that the run does not know", "blue,3,perhaps")]
    public async Task A_record_that_does_not_fit_counts_as_none(string what, string record)
    {
        ClientData data = await LoadAsync(PrivacyUnit.Example, "blue,1,yes", record, "green,2,no");
        Assert.Equal(3, data.Train.Count);
        Assert.Equal(1, data.UnfitCount);
        float[] features = new float[9];
        data.Train.Set.CopyFeatures([0, 1, 2], features);
        Assert.Equal([1, 0, 1, float.NaN, float.NaN, float.NaN, 0, 1, 2], features);
        Assert.Equal(0, data.Train.Set.Label(1)[0]);

        // Elsewhere it is refused, by name.
        Assert.StartsWith("data.", (await Assert.ThrowsAsync<FedCoreException>(() => LoadAsync(null, "blue,1,yes", record, "green,2,no"))).Code, StringComparison.Ordinal);
        Assert.NotEmpty(what);
    }

    [Theory]
    [InlineData("red,3,yes")]
    [InlineData("blue,,yes")]
    [InlineData("blue,3,perhaps")]
    public async Task Where_clients_are_hidden_a_record_that_does_not_fit_is_left_out(string record)
    {
        ClientData data = await LoadAsync(PrivacyUnit.Client, "blue,1,yes", record, "green,2,no");
        Assert.Equal((2, 1), (data.Train.Count, data.UnfitCount));
        float[] features = new float[6];
        data.Train.Set.CopyFeatures([0, 1], features);
        Assert.Equal([1, 0, 1, 0, 1, 2], features);

        // A site of which no record fits takes part all the same, with one of which nothing finite is learned.
        ClientData none = await LoadAsync(PrivacyUnit.Client, record);
        Assert.Equal((1, 1), (none.Train.Count, none.UnfitCount));
        none.Train.Set.CopyFeatures([0], features);
        Assert.Equal([float.NaN, float.NaN, float.NaN], features[..3]);
    }

    // Which columns must not be missing is for whoever wrote the run to choose.
    [Fact]
    public async Task A_site_of_which_every_record_is_dropped_takes_part_where_clients_are_hidden()
    {
        ClientData some = await LoadAsync(PrivacyUnit.Client, MissingValues.DropExample, "blue,,yes", "blue,1,yes"), none = await LoadAsync(PrivacyUnit.Client, MissingValues.DropExample, "blue,,yes");
        Assert.Equal((1, 1), (some.Train.Count, none.Train.Count));
        float[] features = new float[3];
        none.Train.Set.CopyFeatures([0], features);
        Assert.Equal([float.NaN, float.NaN, float.NaN], features);
        Assert.Equal("data.source", (await Assert.ThrowsAsync<FedCoreException>(() => LoadAsync(null, MissingValues.DropExample, "blue,,yes"))).Code);
    }

    // Nothing of it is looked at any more, in any run.
    [Theory]
    [InlineData(null)]
    [InlineData(PrivacyUnit.Client)]
    public async Task A_record_that_is_dropped_need_not_say_whose_it_is(PrivacyUnit? hidden)
    {
        File.WriteAllLines(_folder["site.csv"], ["colour,size,ill,who", "blue,,yes,", "blue,1,yes,north"]);
        RunPlan plan = Plan(hidden, missing: MissingValues.DropExample);
        DataPool pool = await new CsvSource { Files = ["site.csv"], ClientColumn = "who" }.LoadAsync(new DataRequest(plan, new DataFolders(_folder.Path, null, new DatasetStore())), TestContext.Current.CancellationToken);
        Assert.Equal((1, 0), (pool.Train.Count, pool.UnfitCount));
        Assert.Equal("north", Assert.Single(pool.Groups!).Name);
    }

    [Fact]
    public void Where_clients_are_hidden_labels_beyond_the_model_are_left_out_of_the_natural_clients()
    {
        RunPlan plan = Plan(PrivacyUnit.Client, model: new ModelSpec { Input = [1], Layers = [new LinearSpec { Outputs = 2 }], Loss = new SoftmaxCrossEntropySpec() });
        DataPool pool = ClientSplit.Fitted(plan, new DataPool(new InMemoryExamples(new Shape(1), [10, 11, 12, 13], [0, 2, 1, 5]), null, [new ExampleGroup("north", [0, 1, 2]), new ExampleGroup("south", [3])]));
        Assert.Equal(2, pool.UnfitCount);
        ExampleGroup group = Assert.Single(pool.Groups!);
        float[] features = new float[2];
        pool.Train.CopyFeatures(group.Rows, features);
        Assert.Equal([10, 12], features);
        Assert.Equal(("north", 1f), (group.Name, pool.Train.Label(group.Rows[1])[0]));
    }

    [Fact]
    public void Labels_and_tokens_beyond_the_model_count_as_none()
    {
        RunPlan plan = Plan(PrivacyUnit.Example, model: new ModelSpec { Input = [2], Layers = [new EmbeddingSpec { Vocabulary = 5, Width = 3 }, new FlattenSpec(), new LinearSpec { Outputs = 2 }], Loss = new SoftmaxCrossEntropySpec() });
        var pool = new DataPool(new InMemoryExamples(new Shape(2), [1, 2, 7, 0, 3, 4], [1, 0, 5]), null, []);
        ClientData data = SiteData.Of(plan, pool, "site", 0);
        Assert.Equal(2, data.UnfitCount);
        float[] features = new float[6];
        data.Train.Set.CopyFeatures([0, 1, 2], features);
        Assert.Equal([1, 2, 0, 0, 0, 0], features);
    }

    [Fact]
    public void What_a_site_holds_back_does_not_follow_from_the_runs_seed()
    {
        var pool = new DataPool(new InMemoryExamples(new Shape(3), [.. Enumerable.Range(0, 300).Select(i => (float)i)], new float[100]), null, []);
        int[] first = SiteData.Of(Plan(PrivacyUnit.Example, seed: 1), pool, "site").Test.Rows.ToArray(), second = SiteData.Of(Plan(PrivacyUnit.Example, seed: 2), pool, "site").Test.Rows.ToArray();
        Assert.Equal(20, first.Length);
        Assert.Equal(first, second);
        Assert.NotEqual(SiteData.Of(Plan(null, seed: 1), pool, "site").Test.Rows.ToArray(), SiteData.Of(Plan(null, seed: 2), pool, "site").Test.Rows.ToArray());
    }

    private Task<ClientData> LoadAsync(PrivacyUnit? hidden, params string[] records) => LoadAsync(hidden, MissingValues.Refuse, records);

    private async Task<ClientData> LoadAsync(PrivacyUnit? hidden, MissingValues missing, params string[] records)
    {
        File.WriteAllLines(_folder["site.csv"], ["colour,size,ill", .. records]);
        RunPlan plan = Plan(hidden, missing: missing);
        DataPool pool = await new CsvSource { Files = ["site.csv"] }.LoadAsync(new DataRequest(plan, new DataFolders(_folder.Path, null, new DatasetStore())), TestContext.Current.CancellationToken);
        return SiteData.Of(plan, pool, "site", 0);
    }

    private static RunPlan Plan(PrivacyUnit? hidden, ModelSpec? model = null, long seed = 0, MissingValues missing = MissingValues.Refuse) => RunPlan.Create(
        new RunDefinition
        {
            Name = "fit",
            Seed = seed,
            Model = model ?? new ModelSpec { Input = [3], Layers = [new LinearSpec { Outputs = 2 }], Loss = new SoftmaxCrossEntropySpec() },
            Data = model is null ? new DataContract { Features = [new Feature { Name = "colour", Categories = ["blue", "green"] }, new Feature { Name = "size" }], Label = new Label { Name = "ill", Classes = ["no", "yes"] }, Missing = missing } : null,
            Strategy = new FedAvg(),
            Training = new TrainingPlan { LearningRate = 0.1, WeightBy = WeightBy.Uniform },
            Privacy = hidden is { } unit ? new PrivacyPolicy { Unit = unit, Clip = 1, NoiseMultiplier = 1, SamplingRate = unit == PrivacyUnit.Example ? 0.5 : null, Delta = 1e-5 } : null,
            Rounds = new RoundPolicy { Count = 1 },
            Evaluation = new EvaluationPlan { Every = 0 },
        },
        Registry.CreateDefault());
}
