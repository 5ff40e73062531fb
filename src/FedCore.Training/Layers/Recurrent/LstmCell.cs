using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace FedCore.Training.Layers.Recurrent;

/// <summary>What an LSTM does between its products, for one token of one example: from the gates' sums to the memory and the output, and back.</summary>
internal static unsafe class LstmCell
{
    private static int Lanes => Vector512<float>.Count;

    /// <summary>Turns the sums into the gates i, f, g, o, in place, and computes c = f c_before + i g and h = o tanh(c).</summary>
    /// <param name="gates">[4 units]: the sums, then the gates.</param>
    /// <param name="units">Numbers in the memory.</param>
    /// <param name="before">c of the token before, or null at the first.</param>
    /// <param name="c">Receives [units].</param>
    /// <param name="tanh">Receives tanh(c), [units].</param>
    /// <param name="h">Receives [units].</param>
    public static void Forward(float* gates, int units, float* before, float* c, float* tanh, float* h)
    {
        Span<float> inputs = new(gates, 2 * units), candidates = new(gates + 2 * units, units), outputs = new(gates + 3 * units, units), memory = new(c, units);
        TensorPrimitives.Sigmoid(inputs, inputs);
        TensorPrimitives.Tanh(candidates, candidates);
        TensorPrimitives.Sigmoid(outputs, outputs);
        TensorPrimitives.Multiply(inputs[..units], candidates, memory);
        if (before is not null) TensorPrimitives.FusedMultiplyAdd(inputs[units..], new ReadOnlySpan<float>(before, units), memory, memory);
        var squashed = new Span<float>(tanh, units);
        TensorPrimitives.Tanh(memory, squashed);
        TensorPrimitives.Multiply(outputs, squashed, new Span<float>(h, units));
    }

    /// <summary>The gradients of the gates' sums, in place of the gates, and of the memory before.</summary>
    /// <param name="gates">[4 units]: the gates, then the gradients.</param>
    /// <param name="units">Numbers in the memory.</param>
    /// <param name="before">c of the token before, or null at the first.</param>
    /// <param name="tanh">tanh(c).</param>
    /// <param name="dh">The gradient of h.</param>
    /// <param name="dc">The gradient of c that comes from behind; receives that of the memory before.</param>
    public static void Backward(float* gates, int units, float* before, float* tanh, float* dh, float* dc)
    {
        Vector512<float> one = Vector512<float>.One;
        for (int unit = 0; unit < units; unit += Lanes)
        {
            float* at = gates + unit;
            Vector512<float> i = Vector512.Load(at), f = Vector512.Load(at + units), g = Vector512.Load(at + 2 * units), o = Vector512.Load(at + 3 * units);
            Vector512<float> y = Vector512.Load(tanh + unit), dy = Vector512.Load(dh + unit);
            Vector512<float> dMemory = Vector512.Load(dc + unit) + dy * o * (one - y * y);
            Vector512<float> old = before is null ? Vector512<float>.Zero : Vector512.Load(before + unit);
            int count = units - unit;
            Store(dMemory * g * (i * (one - i)), at, count);
            Store(dMemory * old * (f * (one - f)), at + units, count);
            Store(dMemory * i * (one - g * g), at + 2 * units, count);
            Store(dy * y * (o * (one - o)), at + 3 * units, count);
            Store(dMemory * f, dc + unit, count);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(Vector512<float> value, float* target, int count)
    {
        if (count >= Lanes) value.Store(target);
        else new ReadOnlySpan<float>(&value, count).CopyTo(new Span<float>(target, count));
    }
}
