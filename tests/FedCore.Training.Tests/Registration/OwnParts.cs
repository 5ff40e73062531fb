using FedCore.Models;
using FedCore.Models.Layers;
using FedCore.Models.Losses;
using FedCore.Numerics;
using FedCore.Optimizers;
using FedCore.Training.Layers;
using FedCore.Training.Losses;
using FedCore.Training.Optimizers;

namespace FedCore.Training.Tests.Registration;

/// <summary>A layer as a user would add it: every feature times a factor of its own, factors begin at 1.</summary>
public sealed record ScaleSpec : LayerSpec
{
    public override LayerPlan Plan(Shape input) => new(input, new TensorSpec("factor", input, new Initializer(0, 1)));
}

/// <summary>A loss as a user would add it: the mean absolute error, with a metric that counts errors below a threshold.</summary>
public sealed record AbsoluteErrorSpec : LossSpec
{
    public double Threshold { get; init; } = 0.5;

    public override IReadOnlyList<LossMetric> Metrics { get; } = [new LossMetric("near", "nearShare")];

    public override LabelPlan Plan(Shape output) => new(RequireVector(output), 0);
}

/// <summary>An optimizer as a user would add it: steps of one size, by the gradient's sign.</summary>
public sealed record SignSpec : OptimizerSpec;

internal sealed class ScaleLayer(int size) : Layer
{
    public override bool NeedsOutput => false;

    public override void Forward(in LayerPass pass, ReadOnlySpan<float> input, Span<float> output)
    {
        for (int i = 0; i < pass.Batch * size; i++) output[i] = input[i] * pass.Parameters[i % size];
    }

    public override bool Backward(
        in LayerPass pass, ReadOnlySpan<float> input, ReadOnlySpan<float> output, Span<float> outputGradient, Span<float> inputGradient)
    {
        pass.Gradients.Clear();
        for (int i = 0; i < pass.Batch * size; i++)
        {
            pass.Gradients[i % size] += outputGradient[i] * input[i];
            if (!inputGradient.IsEmpty) inputGradient[i] = outputGradient[i] * pass.Parameters[i % size];
        }

        return false;
    }
}

/// <summary>Two of these layers in one pass: every feature times one factor of each.</summary>
internal sealed class TwiceScaleLayer(int size) : Layer
{
    public override bool NeedsOutput => false;

    public override void Forward(in LayerPass pass, ReadOnlySpan<float> input, Span<float> output)
    {
        for (int i = 0; i < pass.Batch * size; i++) output[i] = input[i] * pass.Parameters[i % size] * pass.Parameters[size + i % size];
    }

    public override bool Backward(
        in LayerPass pass, ReadOnlySpan<float> input, ReadOnlySpan<float> output, Span<float> outputGradient, Span<float> inputGradient)
    {
        pass.Gradients.Clear();
        for (int i = 0; i < pass.Batch * size; i++)
        {
            float first = pass.Parameters[i % size], second = pass.Parameters[size + i % size];
            pass.Gradients[i % size] += outputGradient[i] * second * input[i];
            pass.Gradients[size + i % size] += outputGradient[i] * (input[i] * first);
        }

        return false;
    }
}

internal sealed class AbsoluteErrorLoss(double threshold) : Loss
{
    public override int SumCount => 2;

    public override void Evaluate(ReadOnlySpan<float> outputs, ReadOnlySpan<float> labels, int batch, Span<float> gradient, Span<double> sums)
    {
        int width = labels.Length / batch;
        for (int i = 0; i < labels.Length; i++)
        {
            float error = outputs[i] - labels[i];
            sums[0] += Math.Abs(error) / width;
            if (Math.Abs(error) < threshold) sums[1] += 1.0 / width;
            if (!gradient.IsEmpty) gradient[i] = Math.Sign(error) / (float)labels.Length;
        }
    }
}

internal sealed class SignOptimizer : Optimizer
{
    public override void Reset()
    {
    }

    public override void Step(FlatVector parameters, FlatVector gradients, long length, float learningRate)
    {
        for (int i = 0; i < length; i++) parameters.AsSpan()[i] -= learningRate * Math.Sign(gradients.AsSpan()[i]);
    }
}
