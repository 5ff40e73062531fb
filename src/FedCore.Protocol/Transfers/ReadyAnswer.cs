using System.Security.Cryptography;

namespace FedCore.Protocol.Transfers;

/// <summary>What a site answers to training or evaluation in a run with secure sums: that it is done. What is summed stays with it.</summary>
internal static class ReadyAnswer
{
    /// <summary>The answer's bytes.</summary>
    public static ReadOnlyMemory<byte> Bytes { get; } = "ready"u8.ToArray();

    /// <summary>Their SHA-256.</summary>
    public static ReadOnlyMemory<byte> Digest { get; } = SHA256.HashData(Bytes.Span);
}
