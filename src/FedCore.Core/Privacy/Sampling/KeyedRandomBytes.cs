using System.Security.Cryptography;
using System.Text;
using FedCore.SecureAggregation.Masks;

namespace FedCore.Privacy.Sampling;

/// <summary>
/// Bytes that can be drawn again by whoever has a secret key, and by nobody else: AES-256 in counter mode under a key that HKDF-SHA256 derives for each name. For noise that must come again, as
/// that of a tree.
/// </summary>
public sealed class KeyedRandomBytes : RandomBytes
{
    /// <summary>Bytes of a secret.</summary>
    public const int SecretLength = 32;

    private readonly MaskStream _stream;
    private long _block;

    /// <summary>Begins a stream.</summary>
    /// <param name="secret">32 secret random bytes.</param>
    /// <param name="name">Which stream of the secret.</param>
    public KeyedRandomBytes(ReadOnlySpan<byte> secret, string name)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        ArgumentOutOfRangeException.ThrowIfNotEqual(secret.Length, SecretLength, nameof(secret));
        Span<byte> key = stackalloc byte[MaskStream.KeyLength];
        HKDF.DeriveKey(HashAlgorithmName.SHA256, secret, key, [], Encoding.UTF8.GetBytes("fedcore noise " + name));
        _stream = new MaskStream(key);
        CryptographicOperations.ZeroMemory(key);
    }

    /// <inheritdoc/>
    protected override void Fill(Span<byte> bytes)
    {
        _stream.Read(_block, bytes);
        _block += (bytes.Length + MaskStream.BlockLength - 1) / MaskStream.BlockLength;
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        base.Dispose(disposing);
        if (disposing) _stream.Dispose();
    }
}
