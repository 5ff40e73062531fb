using FedCore.Models;
using FedCore.Numerics;
using FedCore.Privacy.Sampling;
using FedCore.Rounds;
using FedCore.Training.Data;
using FedCore.Training.Engine;
using FedCore.Training.Privacy;

namespace FedCore.Benchmarks.Suites;

/// <summary>Whole training steps at a site, from drawing the batch to the parameters: plain, or with examples hidden where the run says so.</summary>
internal sealed class SiteTrainer : IDisposable
{
    /// <summary>Examples of the site.</summary>
    public const int Examples = 6000;

    private const float LearningRate = 0.01f;

    private readonly FlatVector _parameters;
    private readonly ExampleShield? _shield;

    public SiteTrainer(RunPlan plan, MnistImages? images)
    {
        RandomStream random = plan.Random.Stream("benchmark");
        using ModelState initial = ModelState.Initialize(plan.Model, random);
        _parameters = initial.Trainable.Clone();
        Model = new LocalModel(plan, EngineRegistry.CreateDefault(), _parameters);
        int batch = plan.Definition.Training.BatchSize;
        Model.NetworkFor(EmbeddedTrainer.TrainedAtOnce(plan, batch, Examples));
        float[] features = new float[Examples * plan.Model.Input.ElementCount], labels = new float[Examples];
        if (images is not null) images.CopyTo(features, labels);
        else
        {
            foreach (ref float x in features.AsSpan()) x = (float)random.NextDouble();
            foreach (ref float y in labels.AsSpan()) y = random.NextInt32(10);
        }

        var order = new ShuffledBatches();
        order.Reset(Examples, batch, random);
        _shield = plan.Privacy is null ? null : new ExampleShield(plan.Privacy, Examples, _parameters.Length, long.MaxValue, static _ => new SystemRandomBytes());
        Model.Begin(ExampleView.All(new InMemoryExamples(plan.Model.Input, features, labels, 1)), _shield?.Batches ?? order, null, _shield);
    }

    private LocalModel Model { get; }

    public void Step() => Model.TrainStep(LearningRate);

    public void Dispose()
    {
        Model.Dispose();
        _shield?.Dispose();
        _parameters.Dispose();
    }
}
