using FedCore.Models;
using FedCore.Numerics;
using FedCore.Rounds;
using FedCore.Strategies;
using FedCore.Training.Data;
using FedCore.Training.Engine;

namespace FedCore.Training.Tests.Engine;

/// <summary>A client with random examples, and its local model.</summary>
internal sealed class RandomClient : IDisposable
{
    private const int Examples = 10;
    private readonly FlatVector _parameters;

    public RandomClient(RunPlan plan, EngineRegistry? engine = null, int? batchSize = null)
    {
        Data = ExamplesFor(plan);
        using ModelState model = ModelState.Initialize(plan.Model, Draw.Stream("model"));
        _parameters = model.Trainable.Clone();
        Model = new LocalModel(plan, engine ?? EngineRegistry.CreateDefault(), _parameters);
        int batch = batchSize ?? plan.Definition.Training.BatchSize;
        Model.NetworkFor(batch);
        var batches = new ShuffledBatches();
        batches.Reset(Examples, batch, Draw.Stream("batches"));
        Model.Begin(Data.Train, batches, Draw.Stream("dropout"));
    }

    public LocalModel Model { get; }

    public ClientData Data { get; }

    /// <summary>For clients that keep nothing.</summary>
    public static IClientState State { get; } = new InMemoryClientState();

    public static ClientData ExamplesFor(RunPlan plan)
    {
        RandomStream random = Draw.Stream("examples");
        float[] x = Draw.Uniform(random, Examples * (int)plan.Model.Input.ElementCount), y = new float[Examples * plan.Model.Label.Width];
        if (plan.Model.Vocabulary > 0)
            foreach (ref float token in x.AsSpan()) token = random.NextInt32(plan.Model.Vocabulary);
        foreach (ref float label in y.AsSpan()) label = plan.Model.Label.Classes > 0 ? random.NextInt32(plan.Model.Label.Classes) : (float)random.NextNormal();
        ExampleView all = ExampleView.All(new InMemoryExamples(plan.Model.Input, x, y, plan.Model.Label.Width));
        return new ClientData(all, all);
    }

    public void Dispose()
    {
        Model.Dispose();
        _parameters.Dispose();
    }
}
