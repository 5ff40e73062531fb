using System.Numerics.Tensors;
using System.Runtime.Intrinsics;

namespace FedCore.Training.Layers;

/// <summary>max(x, 0). A value that is not a number stays one, so that divergence is seen.</summary>
internal sealed class ReluLayer(int size) : Layer
{
    public override bool IsInPlace => true;

    public override void Forward(in LayerPass pass, ReadOnlySpan<float> input, Span<float> output)
    {
        Span<float> values = output[..(pass.Batch * size)];
        int i = 0;
        for (; i + Vector512<float>.Count <= values.Length; i += Vector512<float>.Count)
            Rectify(Vector512.Create<float>(values[i..])).CopyTo(values[i..]);

        for (; i < values.Length; i++)
            if (values[i] < 0) values[i] = 0;
    }

    public override bool Backward(
        in LayerPass pass, ReadOnlySpan<float> input, ReadOnlySpan<float> output, Span<float> outputGradient, Span<float> inputGradient)
    {
        Span<float> gradient = inputGradient[..(pass.Batch * size)];
        int i = 0;
        for (; i + Vector512<float>.Count <= gradient.Length; i += Vector512<float>.Count)
        {
            Vector512<float> active = Vector512.GreaterThan(Vector512.Create(output[i..]), Vector512<float>.Zero);
            Vector512.ConditionalSelect(active, Vector512.Create<float>(gradient[i..]), Vector512<float>.Zero).CopyTo(gradient[i..]);
        }

        for (; i < gradient.Length; i++)
            if (!(output[i] > 0)) gradient[i] = 0;
        return false;
    }

    /// <summary>max(x, 0), or x where it is not a number.</summary>
    public static Vector512<float> Rectify(Vector512<float> x) =>
        Vector512.ConditionalSelect(Vector512.LessThan(x, Vector512<float>.Zero), Vector512<float>.Zero, x);
}

/// <summary>tanh(x); its derivative is 1 - y².</summary>
internal sealed class TanhLayer(int size) : Layer
{
    public override bool IsInPlace => true;

    public override void Forward(in LayerPass pass, ReadOnlySpan<float> input, Span<float> output)
    {
        Span<float> values = output[..(pass.Batch * size)];
        TensorPrimitives.Tanh(values, values);
    }

    public override bool Backward(
        in LayerPass pass, ReadOnlySpan<float> input, ReadOnlySpan<float> output, Span<float> outputGradient, Span<float> inputGradient)
    {
        for (int i = 0; i < pass.Batch * size; i++) inputGradient[i] *= 1 - output[i] * output[i];
        return false;
    }
}

/// <summary>1 / (1 + exp(-x)); its derivative is y (1 - y).</summary>
internal sealed class SigmoidLayer(int size) : Layer
{
    public override bool IsInPlace => true;

    public override void Forward(in LayerPass pass, ReadOnlySpan<float> input, Span<float> output)
    {
        Span<float> values = output[..(pass.Batch * size)];
        TensorPrimitives.Sigmoid(values, values);
    }

    public override bool Backward(
        in LayerPass pass, ReadOnlySpan<float> input, ReadOnlySpan<float> output, Span<float> outputGradient, Span<float> inputGradient)
    {
        for (int i = 0; i < pass.Batch * size; i++) inputGradient[i] *= output[i] * (1 - output[i]);
        return false;
    }
}

/// <summary>Changes nothing: the values already lie as a vector.</summary>
internal sealed class FlattenLayer : Layer
{
    public override bool IsInPlace => true;

    public override bool NeedsOutput => false;

    public override void Forward(in LayerPass pass, ReadOnlySpan<float> input, Span<float> output)
    {
    }

    public override bool Backward(
        in LayerPass pass, ReadOnlySpan<float> input, ReadOnlySpan<float> output, Span<float> outputGradient, Span<float> inputGradient) => false;
}

/// <summary>Drops values while training and scales the others up (inverted dropout).</summary>
internal sealed class DropoutLayer(int size, double rate, int capacity) : Layer
{
    private readonly float[] _factors = new float[size * capacity];

    public override bool IsInPlace => true;

    public override bool NeedsOutput => false;

    public override void Forward(in LayerPass pass, ReadOnlySpan<float> input, Span<float> output)
    {
        if (!pass.IsTraining || rate == 0) return;
        Span<float> factors = _factors.AsSpan(0, pass.Batch * size);
        float kept = (float)(1 / (1 - rate));
        foreach (ref float factor in factors) factor = pass.Random!.NextDouble() < rate ? 0 : kept;
        Span<float> values = output[..factors.Length];
        TensorPrimitives.Multiply(values, factors, values);
    }

    public override bool Backward(
        in LayerPass pass, ReadOnlySpan<float> input, ReadOnlySpan<float> output, Span<float> outputGradient, Span<float> inputGradient)
    {
        if (!pass.IsTraining || rate == 0) return false;
        Span<float> gradient = inputGradient[..(pass.Batch * size)];
        TensorPrimitives.Multiply(gradient, _factors.AsSpan(0, gradient.Length), gradient);
        return false;
    }
}
