using System.Buffers.Binary;
using FedCore.Numerics;

namespace FedCore.Privacy.Sampling;

/// <summary>Repeatable bytes that protect nobody: for simulations, whose data are nobody's secret and whose results must repeat.</summary>
/// <param name="stream">The stream they come from.</param>
public sealed class SimulationRandomBytes(RandomStream stream) : RandomBytes
{
    /// <inheritdoc/>
    public override bool IsSimulated => true;

    /// <inheritdoc/>
    protected override void Fill(Span<byte> bytes)
    {
        for (; bytes.Length >= sizeof(ulong); bytes = bytes[sizeof(ulong)..]) BinaryPrimitives.WriteUInt64LittleEndian(bytes, stream.NextUInt64());
        if (bytes.IsEmpty) return;
        Span<byte> word = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(word, stream.NextUInt64());
        word[..bytes.Length].CopyTo(bytes);
    }
}
