using System.Numerics.Tensors;
using FedCore.Strategies;

namespace FedCore.PlugIn.Sample;

/// <summary>Federated averaging whose clients take a part of each step.</summary>
public sealed class HalfSteps : FedAvg
{
    /// <summary>The part.</summary>
    public double Part { get; init; } = 0.5;

    public override IClientAlgorithm CreateClientAlgorithm(ClientTask task) => new PartialTraining((float)Part);

    private sealed class PartialTraining(float part) : LocalTraining
    {
        protected override void CorrectGradient(GradientBlock block) => TensorPrimitives.Multiply(block.Gradient, part, block.Gradient);
    }
}
