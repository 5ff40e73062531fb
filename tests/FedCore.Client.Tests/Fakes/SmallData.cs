using FedCore.Models;
using FedCore.Training.Data;

namespace FedCore.Client.Tests.Fakes;

/// <summary>A few made-up examples of two classes, as many features as the run's model has inputs.</summary>
internal sealed class SmallData : IDataSource
{
    /// <summary>What is wrong with it where it is looked at; null for nothing.</summary>
    public FedCoreException? Fault { get; init; }

    public int Examples { get; init; } = 20;

    public ValueTask<DataPool> LoadAsync(DataRequest request, CancellationToken ct)
    {
        int width = request.Run.Model.Input[0];
        float[] features = [.. Enumerable.Range(0, Examples * width).Select(i => MathF.Sin(i * 0.7f) + (i / width % 2))], labels = [.. Enumerable.Range(0, Examples).Select(i => (float)(i % 2))];
        return ValueTask.FromResult(new DataPool(new InMemoryExamples(new Shape(width), features, labels)));
    }

    public ValueTask CheckAsync(DataFolders folders, CancellationToken ct) => Fault is null ? ValueTask.CompletedTask : throw Fault;
}
