using System.Security.Cryptography;

namespace FedCore.Privacy.Sampling;

/// <summary>The secret of noise that must come again, such as that of a tree, which is taken back when a larger part of the tree stands in for it. Who has it can take all such noise away.</summary>
public sealed class NoiseKey : IDisposable
{
    private const int IdLength = 8;

    private readonly byte[] _secret;

    // With the number of the way in which samplers make noise of bytes. It is raised when the same bytes make other noise: a key has another name then, and no tree of an earlier one is gone on with.
    private static ReadOnlySpan<byte> Draws => "fedcore noise key id 3"u8;

    /// <summary>Takes a secret.</summary>
    /// <param name="secret">32 random bytes, of which a copy is kept.</param>
    public NoiseKey(ReadOnlySpan<byte> secret)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(secret.Length, KeyedRandomBytes.SecretLength, nameof(secret));
        _secret = secret.ToArray();
        Span<byte> id = stackalloc byte[IdLength];
        HKDF.DeriveKey(HashAlgorithmName.SHA256, secret, id, [], Draws);
        Id = Convert.ToHexStringLower(id);
    }

    /// <summary>A key that lasts as long as the process. What it was used for is not gone on with behind it.</summary>
    public static NoiseKey OfProcess { get; } = Create();

    /// <summary>Names the key, and says nothing of it.</summary>
    public string Id { get; }

    /// <summary>Makes a new key.</summary>
    /// <returns>The key.</returns>
    public static NoiseKey Create()
    {
        Span<byte> secret = stackalloc byte[KeyedRandomBytes.SecretLength];
        RandomNumberGenerator.Fill(secret);
        var key = new NoiseKey(secret);
        CryptographicOperations.ZeroMemory(secret);
        return key;
    }

    /// <summary>Random bytes, the same for the same name.</summary>
    /// <param name="name">The name.</param>
    /// <returns>The bytes.</returns>
    public RandomBytes Draw(string name) => new KeyedRandomBytes(_secret, name);

    /// <summary>Wipes the secret.</summary>
    public void Dispose() => CryptographicOperations.ZeroMemory(_secret);
}
