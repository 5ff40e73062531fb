using FedCore.Models;
using FedCore.Numerics;
using FedCore.Rounds;
using FedCore.Training.Engine;

namespace FedCore.Benchmarks.Suites;

/// <summary>The engine with one batch in place, as PyTorch has it.</summary>
internal sealed class StepTrainer : IDisposable
{
    private readonly FlatVector _parameters;
    private readonly FlatVector _gradients;
    private readonly Network _network;
    private readonly int _batch;
    private readonly double[] _sums = new double[2];

    public StepTrainer(RunPlan plan, int batch, MnistImages? images)
    {
        _batch = batch;
        var random = plan.Random.Stream("benchmark");
        using ModelState initial = ModelState.Initialize(plan.Model, random);
        _parameters = initial.Trainable.Clone();
        _gradients = new FlatVector(_parameters.Length);
        _network = new Network(plan.Model, EngineRegistry.CreateDefault(), batch, _parameters, _gradients);
        if (images is not null)
        {
            images.CopyTo(_network.Inputs.Slice(0, batch * _network.InputLength), _network.Labels);
            return;
        }

        foreach (ref float x in _network.Inputs.AsSpan()) x = (float)random.NextDouble();
        foreach (ref float y in _network.Labels.AsSpan()) y = random.NextInt32(10);
    }

    public void Step()
    {
        _network.Forward(_batch, training: true, null);
        _network.Backward(_batch, null, -0.01f, _sums);
    }

    public void Dispose()
    {
        _network.Dispose();
        _parameters.Dispose();
        _gradients.Dispose();
    }
}
