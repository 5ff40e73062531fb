using FedCore.Numerics;

namespace FedCore.Training.Tensors;

/// <summary>A thread's memory for operands that are copied into a better order first.</summary>
internal static unsafe class Scratch
{
    [ThreadStatic]
    private static FlatVector? _panel, _operand, _weights;

    /// <summary>For a panel of an operand of a product.</summary>
    public static float* Panel(long length) => Pointer(ref _panel, length);

    /// <summary>For what a product reorders of its own operands, which may lie in a panel.</summary>
    public static float* Operand(long length) => Pointer(ref _operand, length);

    /// <summary>For weights turned round, which a product then takes as its operand.</summary>
    public static float* Weights(long length) => Pointer(ref _weights, length);

    private static float* Pointer(ref FlatVector? buffer, long length)
    {
        if (buffer is null || buffer.Length < length) buffer = new FlatVector(length);
        return buffer.Pointer;
    }
}
