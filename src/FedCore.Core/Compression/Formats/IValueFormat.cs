using FedCore.Numerics;
using FedCore.Updates;

namespace FedCore.Compression.Formats;

/// <summary>How numbers are written down in fewer bytes, block by block.</summary>
public interface IValueFormat : IUpdateTransform
{
    /// <summary>How many bytes a block takes, which does not depend on its values.</summary>
    /// <param name="count">Number of values, 1 to <see cref="VectorBlocks.BlockLength"/>.</param>
    /// <returns>Number of bytes.</returns>
    int ByteLength(int count);

    /// <summary>Writes a block down.</summary>
    /// <param name="values">The values, all finite.</param>
    /// <param name="target">Receives <see cref="ByteLength"/> bytes.</param>
    /// <param name="random">Random numbers for what rounds at random.</param>
    void Encode(ReadOnlySpan<float> values, Span<byte> target, ref LaneRandom random);

    /// <summary>Reads a block. Whatever the bytes are, this ends; values that are not finite are for the caller to refuse.</summary>
    /// <param name="source">The block's bytes, <see cref="ByteLength"/> of them.</param>
    /// <param name="values">Receives the values.</param>
    void Decode(ReadOnlySpan<byte> source, Span<float> values);
}
