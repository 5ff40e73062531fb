using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using FedCore.Numerics;

namespace FedCore.Training.Layers;

/// <summary>max(x, 0). A value that is not a number stays one, so that divergence is seen.</summary>
internal sealed class ReluLayer(int size) : Layer
{
    public override bool IsInPlace => true;

    public override void Forward(in LayerPass pass, ReadOnlySpan<float> input, Span<float> output)
    {
        Span<float> values = output[..(pass.Batch * size)];
        Span<Vector512<float>> vectors = MemoryMarshal.Cast<float, Vector512<float>>(values);
        foreach (ref Vector512<float> x in vectors) x = Rectify(x);
        foreach (ref float x in values[(vectors.Length * Vector512<float>.Count)..])
            x = float.MaxNative(0, x);
    }

    public override bool Backward(
        in LayerPass pass, ReadOnlySpan<float> input, ReadOnlySpan<float> output, Span<float> outputGradient, Span<float> inputGradient)
    {
        Span<float> gradient = inputGradient[..(pass.Batch * size)];
        Span<Vector512<float>> gradients = MemoryMarshal.Cast<float, Vector512<float>>(gradient);
        ReadOnlySpan<Vector512<float>> outputs = MemoryMarshal.Cast<float, Vector512<float>>(output)[..gradients.Length];
        for (int i = 0; i < gradients.Length; i++)
            gradients[i] = Vector512.ConditionalSelect(Vector512.GreaterThan(outputs[i], Vector512<float>.Zero), gradients[i], Vector512<float>.Zero);
        for (int i = gradients.Length * Vector512<float>.Count; i < gradient.Length; i++)
            if (!(output[i] > 0)) gradient[i] = 0;
        return false;
    }

    /// <summary>max(x, 0), or x where it is not a number: x86 then answers the second operand, Arm the one that is no number. The sign of a zero is
    /// the machine's choice.</summary>
    public static Vector512<float> Rectify(Vector512<float> x) => Vector512.MaxNative(Vector512<float>.Zero, x);
}

/// <summary>tanh(x); its derivative is 1 - y².</summary>
internal sealed class TanhLayer(int size) : Layer
{
    public override bool IsInPlace => true;

    public override void Forward(in LayerPass pass, ReadOnlySpan<float> input, Span<float> output)
    {
        // Example by example: for fewer than four numbers another way is taken, with other bits.
        for (int example = 0; example < pass.Batch; example++)
        {
            Span<float> values = output.Slice(example * size, size);
            TensorPrimitives.Tanh(values, values);
        }
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
        for (int example = 0; example < pass.Batch; example++)
        {
            Span<float> values = output.Slice(example * size, size);
            TensorPrimitives.Sigmoid(values, values);
        }
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

    public override bool UsesRandom => true;

    public override void Forward(in LayerPass pass, ReadOnlySpan<float> input, Span<float> output)
    {
        if (!pass.IsTraining || rate == 0) return;
        Span<float> factors = _factors.AsSpan(0, pass.Batch * size);
        float kept = (float)(1 / (1 - rate));
        for (int example = 0; example < pass.Batch; example++)
        {
            RandomStream random = pass.RandomOf(example);
            foreach (ref float factor in factors.Slice(example * size, size)) factor = random.NextDouble() < rate ? 0 : kept;
        }

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
