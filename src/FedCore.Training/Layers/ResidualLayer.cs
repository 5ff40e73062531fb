using System.Numerics.Tensors;
using FedCore.Models;
using FedCore.Models.Layers;
using FedCore.Training.Engine;

namespace FedCore.Training.Layers;

/// <summary>y = f(x) + x, or f(x) + s(x). Both are chains with memory of their own, which begin with a copy of x.</summary>
internal sealed class ResidualLayer : Layer
{
    private readonly StageChain _layers;
    private readonly StageChain? _shortcut;

    public ResidualLayer(ResidualSpec spec, LayerSite site, EngineRegistry engine)
    {
        IReadOnlyList<IReadOnlyList<PlannedLayer>> chains = (site.Plan ?? spec.Plan(site.Input)).Chains;
        _layers = new StageChain(chains[0], engine, site.Capacity, site.NeedsInputGradient, site.Places);
        if (chains.Count > 1) _shortcut = new StageChain(chains[1], engine, site.Capacity, site.NeedsInputGradient, site.Places);
    }

    public override bool NeedsOutput => false;

    public override bool UsesRandom => _layers.UsesRandom || _shortcut is { UsesRandom: true };

    public override void Forward(in LayerPass pass, ReadOnlySpan<float> input, Span<float> output)
    {
        ReadOnlySpan<float> x = input[..(pass.Batch * _layers.InputSize)], added = x;
        Run(_layers, pass, x);
        if (_shortcut is not null)
        {
            Run(_shortcut, pass, x);
            added = Outputs(_shortcut, pass.Batch);
        }

        TensorPrimitives.Add(Outputs(_layers, pass.Batch), added, output);
    }

    public override bool Backward(
        in LayerPass pass, ReadOnlySpan<float> input, ReadOnlySpan<float> output, Span<float> outputGradient, Span<float> inputGradient)
    {
        BackwardNorms(pass, input, output, outputGradient, inputGradient, default);
        return pass.IsStep;
    }

    public override void BackwardNorms(
        in LayerPass pass, ReadOnlySpan<float> input, ReadOnlySpan<float> output, Span<float> outputGradient, Span<float> inputGradient, Span<double> squaredNorms)
    {
        ReadOnlySpan<float> dy = outputGradient[..(pass.Batch * _layers.OutputSize)], dx = Back(_layers, pass, dy, squaredNorms), added = dy;
        if (_shortcut is not null) added = Back(_shortcut, pass, dy, squaredNorms);
        if (inputGradient.IsEmpty) return;
        int count = pass.Batch * _layers.InputSize;
        TensorPrimitives.Add(dx[..count], added[..count], inputGradient);
    }

    protected override void Dispose(bool disposing)
    {
        _layers.Dispose();
        _shortcut?.Dispose();
        base.Dispose(disposing);
    }

    private static ReadOnlySpan<float> Outputs(StageChain chain, int batch) => chain.Outputs.Slice(0, batch * chain.OutputSize);

    private static void Run(StageChain chain, in LayerPass pass, ReadOnlySpan<float> x)
    {
        x.CopyTo(chain.Inputs.AsSpan());
        chain.Forward(pass.Batch, pass.IsTraining, pass.All, pass.Drawing);
    }

    private static Span<float> Back(StageChain chain, scoped in LayerPass pass, ReadOnlySpan<float> dy, Span<double> squaredNorms)
    {
        dy.CopyTo(chain.OutputGradient(pass.Batch));
        return chain.Backward(pass.Batch, pass.All, pass.IsStep, pass.Drawing, squaredNorms, pass.KeepsExamplesApart);
    }
}
