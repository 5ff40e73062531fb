namespace FedCore.SecureAggregation.Suites;

/// <summary>The cryptography of secure aggregation. Which one a session uses stands in its terms, which every client signs.</summary>
public interface ISecureAggregationSuite
{
    /// <summary>The suite's number on the wire.</summary>
    byte Id { get; }

    /// <summary>Bytes of a public key, for agreement as for signatures.</summary>
    int PublicKeyLength { get; }

    /// <summary>Bytes of a signature.</summary>
    int SignatureLength { get; }

    /// <summary>Bytes that a sealed message is longer than what is in it.</summary>
    int SealLength { get; }

    /// <summary>Draws a key pair for key agreement from the operating system's generator.</summary>
    /// <returns>The key pair, which the caller disposes of.</returns>
    IAgreementKey CreateAgreementKey();

    /// <summary>The key pair for key agreement that belongs to a seed: the same for the same seed.</summary>
    /// <param name="seed">32 secret random bytes.</param>
    /// <returns>The key pair, which the caller disposes of.</returns>
    IAgreementKey CreateAgreementKey(ReadOnlySpan<byte> seed);

    /// <summary>Draws a key pair for signatures.</summary>
    /// <returns>The key pair, which the caller disposes of.</returns>
    ISigningKey CreateSigningKey();

    /// <summary>Reads a key pair for signatures.</summary>
    /// <param name="privateKey">What <see cref="ISigningKey.Export"/> gave.</param>
    /// <returns>The key pair, which the caller disposes of.</returns>
    /// <exception cref="System.Security.Cryptography.CryptographicException">The bytes are no key of the suite.</exception>
    ISigningKey ImportSigningKey(ReadOnlySpan<byte> privateKey);

    /// <summary>Reads a public key for key agreement.</summary>
    /// <param name="publicKey">The bytes, from anybody.</param>
    /// <returns>The key, which the caller disposes of; several threads may agree with it.</returns>
    /// <exception cref="System.Security.Cryptography.CryptographicException">The bytes are no public key of the suite.</exception>
    IAgreementPeer ImportPeer(ReadOnlySpan<byte> publicKey);

    /// <summary>Whether a signature is of a message and a key.</summary>
    /// <param name="publicKey">The signer's public key.</param>
    /// <param name="message">The message.</param>
    /// <param name="signature">The signature.</param>
    /// <returns>True if it is; false also where the key or the signature is none.</returns>
    bool Verify(ReadOnlySpan<byte> publicKey, ReadOnlySpan<byte> message, ReadOnlySpan<byte> signature);

    /// <summary>Derives a key from a secret.</summary>
    /// <param name="secret">The secret.</param>
    /// <param name="salt">What the session's parties all know.</param>
    /// <param name="info">What the key is for.</param>
    /// <param name="key">Receives the key.</param>
    void Derive(ReadOnlySpan<byte> secret, ReadOnlySpan<byte> salt, ReadOnlySpan<byte> info, Span<byte> key);

    /// <summary>Encrypts a message and makes it tamper-proof.</summary>
    /// <param name="key">32 bytes, a key for this message only.</param>
    /// <param name="associated">What must be the same when the message is opened.</param>
    /// <param name="message">The message.</param>
    /// <param name="target">Receives the sealed message, longer by <see cref="SealLength"/>.</param>
    void Seal(ReadOnlySpan<byte> key, ReadOnlySpan<byte> associated, ReadOnlySpan<byte> message, Span<byte> target);

    /// <summary>Opens a sealed message.</summary>
    /// <param name="key">The key it was sealed with.</param>
    /// <param name="associated">What it was sealed with beside it.</param>
    /// <param name="box">The sealed message.</param>
    /// <param name="message">Receives the message.</param>
    /// <returns>False where it was sealed otherwise, or altered since.</returns>
    bool Open(ReadOnlySpan<byte> key, ReadOnlySpan<byte> associated, ReadOnlySpan<byte> box, Span<byte> message);
}

/// <summary>A key pair for key agreement.</summary>
public interface IAgreementKey : IDisposable
{
    /// <summary>The public key.</summary>
    ReadOnlyMemory<byte> PublicKey { get; }

    /// <summary>The secret that only the holders of this and of the other private key can compute, 32 bytes.</summary>
    /// <param name="peer">The other's public key, of the same suite.</param>
    /// <returns>The secret, which the caller overwrites.</returns>
    byte[] Agree(IAgreementPeer peer);
}

/// <summary>A public key for key agreement, checked and ready for use.</summary>
public interface IAgreementPeer : IDisposable;

/// <summary>A key pair for signatures.</summary>
public interface ISigningKey : IDisposable
{
    /// <summary>The public key.</summary>
    ReadOnlyMemory<byte> PublicKey { get; }

    /// <summary>Signs a message.</summary>
    /// <param name="message">The message.</param>
    /// <returns>The signature.</returns>
    byte[] Sign(ReadOnlySpan<byte> message);

    /// <summary>The private key, to be kept as a secret.</summary>
    /// <returns>The key, which the caller overwrites.</returns>
    byte[] Export();
}
