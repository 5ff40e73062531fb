using System.Runtime.InteropServices;
using FedCore.Numerics;

namespace FedCore.Compression.Formats;

/// <summary>The upper half of a 32-bit float, rounded to nearest: its range with 8 significant bits, at half the bytes.</summary>
public sealed class BFloat16 : IValueFormat
{
    // The largest finite magnitude, so that rounding up does not end in infinity.
    private const uint Largest = 0x7F7F;

    /// <inheritdoc/>
    public int ByteLength(int count) => count * sizeof(ushort);

    /// <inheritdoc/>
    public void Encode(ReadOnlySpan<float> values, Span<byte> target, ref LaneRandom random)
    {
        ReadOnlySpan<uint> bits = MemoryMarshal.Cast<float, uint>(values);
        Span<ushort> upper = MemoryMarshal.Cast<byte, ushort>(target);
        for (int i = 0; i < bits.Length; i++)
        {
            uint magnitude = bits[i] & int.MaxValue, rounded = (magnitude + 0x7FFF + (magnitude >> 16 & 1)) >> 16;
            upper[i] = (ushort)(Math.Min(rounded, Largest) | (bits[i] >> 31 << 15));
        }
    }

    /// <inheritdoc/>
    public void Decode(ReadOnlySpan<byte> source, Span<float> values)
    {
        ReadOnlySpan<ushort> upper = MemoryMarshal.Cast<byte, ushort>(source);
        Span<uint> bits = MemoryMarshal.Cast<float, uint>(values);
        for (int i = 0; i < bits.Length; i++) bits[i] = (uint)upper[i] << 16;
    }
}
