using System.Buffers.Binary;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using FedCore.Numerics;

namespace FedCore.Compression.Formats;

/// <summary>
/// IEEE 754 half precision, rounded to nearest: 11 significant bits at half the bytes. Each block of 4,096 values is first divided by a power of two, so that whatever
/// weights make of updates fits the range.
/// </summary>
public sealed class Float16 : IValueFormat
{
    private const int Header = sizeof(float);

    // The largest value becomes 2^14 to 2^15, of 65,504 that there are.
    private const int TopExponent = 14;

    /// <inheritdoc/>
    public int ByteLength(int count) => Header + count * 2;

    /// <inheritdoc/>
    public void Encode(ReadOnlySpan<float> values, Span<byte> target, ref LaneRandom random)
    {
        float largest = TensorPrimitives.MaxMagnitude(values);
        int exponent = largest == 0 ? 0 : Math.Clamp(Math.ILogB(largest) - TopExponent, -100, 113);
        BinaryPrimitives.WriteSingleLittleEndian(target, MathF.ScaleB(1, exponent));
        Span<float> scaled = stackalloc float[values.Length];
        TensorPrimitives.Multiply(values, MathF.ScaleB(1, -exponent), scaled);
        TensorPrimitives.ConvertToHalf(scaled, MemoryMarshal.Cast<byte, Half>(target[Header..]));
    }

    /// <inheritdoc/>
    public void Decode(ReadOnlySpan<byte> source, Span<float> values)
    {
        TensorPrimitives.ConvertToSingle(MemoryMarshal.Cast<byte, Half>(source[Header..]), values);
        TensorPrimitives.Multiply(values, BinaryPrimitives.ReadSingleLittleEndian(source), values);
    }
}
