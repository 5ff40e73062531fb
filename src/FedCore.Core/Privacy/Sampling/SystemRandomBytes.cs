using System.Security.Cryptography;

namespace FedCore.Privacy.Sampling;

/// <summary>Random bytes of the operating system's generator.</summary>
public sealed class SystemRandomBytes : RandomBytes
{
    /// <inheritdoc/>
    protected override void Fill(Span<byte> bytes) => RandomNumberGenerator.Fill(bytes);
}
