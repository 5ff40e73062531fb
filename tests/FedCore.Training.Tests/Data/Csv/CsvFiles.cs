using FedCore.Models;
using FedCore.Models.Layers;
using FedCore.Models.Losses;
using FedCore.Rounds;
using FedCore.Tests;
using FedCore.Training.Data;
using FedCore.Training.Data.Csv;

namespace FedCore.Training.Tests.Data.Csv;

/// <summary>Reads small tables with the features age and sex (f, m) and the label ill.</summary>
internal sealed class CsvFiles : IDisposable
{
    public static readonly DataContract Contract = new()
    {
        Features = [new Feature { Name = "age" }, new Feature { Name = "sex", Categories = ["f", "m"] }],
        Label = new Label { Name = "ill" },
    };

    public TemporaryFolder Folder { get; } = new();

    public Task<DataPool> LoadAsync(CsvSource source, DataContract? contract = null, LossSpec? loss = null) =>
        source.LoadAsync(Request(contract, loss), TestContext.Current.CancellationToken).AsTask();

    public DataRequest Request(DataContract? contract = null, LossSpec? loss = null)
    {
        contract ??= Contract;
        int outputs = loss is null ? contract.Label.Classes?.Count ?? 2 : 1;
        var model = new ModelSpec
        {
            Input = [contract.Features.Sum(feature => feature.Width)],
            Layers = [new LinearSpec { Outputs = outputs }],
            Loss = loss ?? new SoftmaxCrossEntropySpec(),
        };
        return Folder.Request(Plans.Of(model, data: contract));
    }

    /// <summary>Reads a table with a header line.</summary>
    public Task<DataPool> ReadAsync(string text, DataContract? contract = null, LossSpec? loss = null)
    {
        Folder.File("table.csv", text);
        return LoadAsync(new CsvSource { Files = ["table.csv"] }, contract, loss);
    }

    /// <summary>Reading fails with a message that begins with the file's path and names all this.</summary>
    public async Task RefusesAsync(string text, string[] names, DataContract? contract = null)
    {
        var fault = await Assert.ThrowsAsync<FedCoreException>(() => ReadAsync(text, contract));
        Faults.Assert(fault, "data.csv", names);
        Assert.StartsWith(Folder["table.csv"], fault.Message, StringComparison.Ordinal);
    }

    public static float[][] Features(ExampleView view)
    {
        float[] all = new float[view.Count * view.Set.FeatureLength];
        view.Set.CopyFeatures(view.Rows.Span, all);
        return [.. all.Chunk(view.Set.FeatureLength)];
    }

    public static float[][] Features(DataPool pool) => Features(ExampleView.All(pool.Train));

    public static float[] Labels(ExampleSet set) => [.. Enumerable.Range(0, set.Count).Select(row => set.Label(row)[0])];

    public void Dispose() => Folder.Dispose();
}
