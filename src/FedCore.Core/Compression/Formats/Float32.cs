using System.Runtime.InteropServices;
using FedCore.Numerics;

namespace FedCore.Compression.Formats;

/// <summary>Values as they are, for what a sparsifier picks out and nothing else shortens.</summary>
internal sealed class Float32 : IValueFormat
{
    public int ByteLength(int count) => count * sizeof(float);

    public void Encode(ReadOnlySpan<float> values, Span<byte> target, ref LaneRandom random) => MemoryMarshal.AsBytes(values).CopyTo(target);

    public void Decode(ReadOnlySpan<byte> source, Span<float> values) => source.CopyTo(MemoryMarshal.AsBytes(values));
}
