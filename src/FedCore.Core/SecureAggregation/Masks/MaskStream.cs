using System.Buffers.Binary;
using System.Security.Cryptography;

namespace FedCore.SecureAggregation.Masks;

/// <summary>
/// A key's mask as a stream of bytes: AES-256 in counter mode (NIST SP 800-38A, section 6.5) from counter 0 on. A key is used for one mask and never again. The platform has
/// no counter mode, so the counters are encrypted one by one as it does in electronic codebook mode, which is the same. For one thread.
/// </summary>
internal sealed class MaskStream : IDisposable
{
    /// <summary>Bytes of a key.</summary>
    public const int KeyLength = 32;

    /// <summary>Bytes of a counter.</summary>
    public const int BlockLength = 16;

    private readonly ICryptoTransform _cipher;

    public MaskStream(ReadOnlySpan<byte> key)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(key.Length, KeyLength, nameof(key));
        using var aes = Aes.Create();
        aes.Mode = CipherMode.ECB;
        aes.Padding = PaddingMode.None;
        aes.SetKey(key);
        _cipher = aes.CreateEncryptor();
    }

    /// <summary>Writes counters one behind the other.</summary>
    /// <param name="first">The first of them.</param>
    /// <param name="counters">Receives them: whole blocks.</param>
    public static void WriteCounters(long first, Span<byte> counters)
    {
        counters.Clear();
        for (int i = 0; i < counters.Length; i += BlockLength) BinaryPrimitives.WriteInt64BigEndian(counters[(i + 8)..], first + i / BlockLength);
    }

    /// <summary>The stream where the counters are.</summary>
    /// <param name="counters">Counters, of which the first bytes are used.</param>
    /// <param name="length">How many bytes: whole blocks.</param>
    /// <param name="target">Receives the stream.</param>
    public void Encrypt(byte[] counters, int length, byte[] target) => _cipher.TransformBlock(counters, 0, length, target, 0);

    /// <summary>A piece of the stream.</summary>
    /// <param name="firstBlock">The block that it begins with.</param>
    /// <param name="target">Receives the piece, of any length.</param>
    public void Read(long firstBlock, Span<byte> target)
    {
        byte[] counters = new byte[(target.Length + BlockLength - 1) / BlockLength * BlockLength], stream = new byte[counters.Length];
        WriteCounters(firstBlock, counters);
        if (counters.Length > 0) Encrypt(counters, counters.Length, stream);
        stream.AsSpan(0, target.Length).CopyTo(target);
        CryptographicOperations.ZeroMemory(stream);
    }

    public void Dispose() => _cipher.Dispose();
}
