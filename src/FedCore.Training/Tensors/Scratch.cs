using FedCore.Numerics;

namespace FedCore.Training.Tensors;

/// <summary>A thread's memory for operands that are copied into a better order first.</summary>
internal static unsafe class Scratch
{
    [ThreadStatic]
    private static FlatVector? _panel, _halves;

    /// <summary>For a panel of an operand of a product.</summary>
    public static float* Panel(long length) => Pointer(ref _panel, length);

    /// <summary>For the halves of vectors that share one; a product over a panel may need it.</summary>
    public static float* Halves(long length) => Pointer(ref _halves, length);

    private static float* Pointer(ref FlatVector? buffer, long length)
    {
        if (buffer is null || buffer.Length < length) buffer = new FlatVector(length);
        return buffer.Pointer;
    }
}
