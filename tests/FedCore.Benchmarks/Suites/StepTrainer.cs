using System.Numerics.Tensors;
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
    private readonly double[] _sums = new double[2], _norms;

    public StepTrainer(RunPlan plan, int batch, MnistImages? images)
    {
        (_batch, _norms) = (batch, new double[batch]);
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

    /// <summary>The same with the gradient of each example clipped, as far as the parameters' step; without noise.</summary>
    public void ClippedStep(double clip)
    {
        _network.Forward(_batch, training: true, null);
        _network.BackwardNorms(_batch, null, _norms, _sums);
        _network.BackwardClipped(_batch, null, clip, _norms);
        for (long offset = 0; offset < _parameters.Length; offset += VectorBlocks.BlockLength)
        {
            Span<float> block = _parameters.Slice(offset, (int)Math.Min(VectorBlocks.BlockLength, _parameters.Length - offset));
            TensorPrimitives.MultiplyAdd(_gradients.Slice(offset, block.Length), -0.01f / _batch, block, block);
        }
    }

    public void Dispose()
    {
        _network.Dispose();
        _parameters.Dispose();
        _gradients.Dispose();
    }
}
