using System.Security.Cryptography;

namespace FedCore.SecureAggregation.Suites;

/// <summary>
/// Suite 1: ECDH and ECDSA over P-256 (FIPS 186-5, SP 800-56A), HKDF with SHA-256 (RFC 5869), AES-256-GCM (SP 800-38D), all of the platform. Public keys are 65 bytes, an
/// uncompressed point (SEC 1, section 2.3.3); signatures are r and s of 32 bytes each.
/// </summary>
internal sealed class P256Suite : ISecureAggregationSuite
{
    private const int FieldLength = 32, PointLength = 1 + 2 * FieldLength, TagLength = 16, NonceLength = 12;
    private const byte Uncompressed = 4;

    // The order of the group, SP 800-186, section 3.2.1.3.
    private static readonly byte[] Order = Convert.FromHexString("FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551");

    // Every key seals one message, so the nonce is always the same.
    private static readonly byte[] Nonce = new byte[NonceLength];

    public static P256Suite Instance { get; } = new();

    public byte Id => 1;

    public int PublicKeyLength => PointLength;

    public int SignatureLength => 2 * FieldLength;

    public int SealLength => TagLength;

    public IAgreementKey CreateAgreementKey() => new AgreementKey(ECDiffieHellman.Create(ECCurve.NamedCurves.nistP256));

    // FIPS 186-5, A.2.2: candidates until one is a private key, which the first is but in one of 2^32 cases.
    public IAgreementKey CreateAgreementKey(ReadOnlySpan<byte> seed)
    {
        Span<byte> info = stackalloc byte[Labels.AgreementKey.Length + 1];
        Labels.AgreementKey.CopyTo(info);
        byte[] candidate = new byte[FieldLength];
        try
        {
            while (true)
            {
                HKDF.DeriveKey(HashAlgorithmName.SHA256, seed, candidate, [], info);
                if (candidate.AsSpan().SequenceCompareTo(Order) < 0 && candidate.AsSpan().ContainsAnyExcept((byte)0))
                    return new AgreementKey(ECDiffieHellman.Create(new ECParameters { Curve = ECCurve.NamedCurves.nistP256, D = candidate }));
                info[^1]++;
            }
        }
        finally
        {
            CryptographicOperations.ZeroMemory(candidate);
        }
    }

    public ISigningKey CreateSigningKey() => new SigningKey(ECDsa.Create(ECCurve.NamedCurves.nistP256));

    public ISigningKey ImportSigningKey(ReadOnlySpan<byte> privateKey)
    {
        var key = ECDsa.Create();
        try
        {
            key.ImportPkcs8PrivateKey(privateKey, out int read);
            return read == privateKey.Length && IsOnCurve(key.ExportParameters(false)) ? new SigningKey(key) : throw new CryptographicException("The key is not of P-256.");
        }
        catch (Exception fault)
        {
            // Some platforms say of other curves that they do not know them.
            key.Dispose();
            if (fault is PlatformNotSupportedException) throw new CryptographicException("The key is not of P-256.", fault);
            throw;
        }
    }

    public IAgreementPeer ImportPeer(ReadOnlySpan<byte> publicKey) => new Peer(ECDiffieHellman.Create(Parameters(publicKey)));

    public bool Verify(ReadOnlySpan<byte> publicKey, ReadOnlySpan<byte> message, ReadOnlySpan<byte> signature)
    {
        if (signature.Length != SignatureLength) return false;
        try
        {
            using var key = ECDsa.Create(Parameters(publicKey));
            return key.VerifyData(message, signature, HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);
        }
        catch (CryptographicException)
        {
            return false;
        }
    }

    public void Derive(ReadOnlySpan<byte> secret, ReadOnlySpan<byte> salt, ReadOnlySpan<byte> info, Span<byte> key) =>
        HKDF.DeriveKey(HashAlgorithmName.SHA256, secret, key, salt, info);

    public void Seal(ReadOnlySpan<byte> key, ReadOnlySpan<byte> associated, ReadOnlySpan<byte> message, Span<byte> target)
    {
        using var cipher = new AesGcm(key, TagLength);
        cipher.Encrypt(Nonce, message, target[..message.Length], target.Slice(message.Length, TagLength), associated);
    }

    public bool Open(ReadOnlySpan<byte> key, ReadOnlySpan<byte> associated, ReadOnlySpan<byte> box, Span<byte> message)
    {
        if (box.Length != message.Length + TagLength) return false;
        using var cipher = new AesGcm(key, TagLength);
        try
        {
            cipher.Decrypt(Nonce, box[..message.Length], box[message.Length..], message, associated);
            return true;
        }
        catch (AuthenticationTagMismatchException)
        {
            return false;
        }
    }

    // The platform refuses points that are not on the curve.
    private static ECParameters Parameters(ReadOnlySpan<byte> publicKey) => publicKey.Length == PointLength && publicKey[0] == Uncompressed
        ? new ECParameters
        {
            Curve = ECCurve.NamedCurves.nistP256,
            Q = new ECPoint { X = publicKey.Slice(1, FieldLength).ToArray(), Y = publicKey[(1 + FieldLength)..].ToArray() },
        }
        : throw new CryptographicException($"A public key is an uncompressed point of {PointLength} bytes.");

    private static byte[] Point(ECParameters parameters) => [Uncompressed, .. parameters.Q.X!, .. parameters.Q.Y!];

    private static bool IsOnCurve(ECParameters parameters) => parameters.Curve.IsNamed && parameters.Curve.Oid.Value == ECCurve.NamedCurves.nistP256.Oid.Value;

    private sealed class AgreementKey(ECDiffieHellman key) : IAgreementKey
    {
        public ReadOnlyMemory<byte> PublicKey { get; } = Point(key.ExportParameters(false));

        public byte[] Agree(IAgreementPeer peer) => key.DeriveRawSecretAgreement(((Peer)peer).PublicKey);

        public void Dispose() => key.Dispose();
    }

    private sealed class Peer(ECDiffieHellman key) : IAgreementPeer
    {
        public ECDiffieHellmanPublicKey PublicKey { get; } = key.PublicKey;

        public void Dispose()
        {
            PublicKey.Dispose();
            key.Dispose();
        }
    }

    private sealed class SigningKey(ECDsa key) : ISigningKey
    {
        public ReadOnlyMemory<byte> PublicKey { get; } = Point(key.ExportParameters(false));

        public byte[] Sign(ReadOnlySpan<byte> message) => key.SignData(message, HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);

        public byte[] Export() => key.ExportPkcs8PrivateKey();

        public void Dispose() => key.Dispose();
    }
}
