using Google.Protobuf;

namespace FedCore.Aggregator.Models;

/// <summary>Something in the store.</summary>
/// <param name="Digest"><c>sha256:</c> and 64 hexadecimal digits.</param>
/// <param name="Length">Bytes of it.</param>
internal sealed record StoredBlob(string Digest, long Length)
{
    private const string Prefix = "sha256:";

    /// <summary>What it is, where it is short enough to come along with a task.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public ByteString? Content { get; init; }

    /// <summary>A digest as 32 bytes.</summary>
    public static byte[] BytesOf(string digest) => Convert.FromHexString(digest[Prefix.Length..]);

    /// <summary>A digest of 32 bytes as text.</summary>
    public static string DigestOf(ReadOnlySpan<byte> bytes) => Prefix + Convert.ToHexStringLower(bytes);

    /// <summary>It, as messages name it.</summary>
    public Protocol.V1.Blob ToMessage() => new() { Digest = ByteString.CopyFrom(BytesOf(Digest)), Length = Length };
}
