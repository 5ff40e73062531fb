using System.Runtime.InteropServices;
using FedCore.Privacy.Sampling;

namespace FedCore.Core.Tests.Privacy.Sampling;

/// <summary>These words, and then zeros.</summary>
internal sealed class GivenBytes(params ulong[] words) : RandomBytes
{
    protected override void Fill(Span<byte> bytes)
    {
        bytes.Clear();
        MemoryMarshal.AsBytes(words.AsSpan()).CopyTo(bytes);
    }
}
