using FedCore.SecureAggregation.Suites;

namespace FedCore.SecureAggregation.Messages;

/// <summary>A client's public keys for one session, signed with its identity key (round 0).</summary>
/// <param name="Name">The client's name.</param>
/// <param name="ShareKey">The public key with which shares are sealed for it.</param>
/// <param name="MaskKey">The public key with which masks are agreed.</param>
/// <param name="Commitment">SHA-256 of the seed of its self mask.</param>
/// <param name="Nonce">16 bytes that it drew.</param>
/// <param name="Signature">Its signature over all of that and the session.</param>
internal sealed record Advertisement(
    string Name, ReadOnlyMemory<byte> ShareKey, ReadOnlyMemory<byte> MaskKey, ReadOnlyMemory<byte> Commitment, ReadOnlyMemory<byte> Nonce, ReadOnlyMemory<byte> Signature)
{
    /// <summary>What is signed.</summary>
    public byte[] SignedBytes(ReadOnlySpan<byte> session)
    {
        MessageWriter writer = new MessageWriter().Bytes(Labels.Advertisement).Bytes(session);
        WriteContent(writer);
        return writer.ToArray();
    }

    public byte[] Encode()
    {
        var writer = new MessageWriter();
        Write(writer);
        return writer.ToArray();
    }

    public void Write(MessageWriter writer)
    {
        WriteContent(writer);
        writer.Bytes(Signature.Span);
    }

    public static Advertisement Decode(ReadOnlySpan<byte> bytes, ISecureAggregationSuite suite)
    {
        var reader = new MessageReader(bytes, "An advertisement");
        Advertisement advertisement = Read(ref reader, suite);
        reader.End();
        return advertisement;
    }

    public static Advertisement Read(ref MessageReader reader, ISecureAggregationSuite suite) => new(
        reader.Text(),
        reader.Bytes(suite.PublicKeyLength).ToArray(),
        reader.Bytes(suite.PublicKeyLength).ToArray(),
        reader.Bytes(SessionTerms.HashLength).ToArray(),
        reader.Bytes(SessionTerms.NonceLength).ToArray(),
        reader.Bytes(suite.SignatureLength).ToArray());

    /// <summary>The least bytes of one.</summary>
    public static int LeastLength(ISecureAggregationSuite suite) =>
        sizeof(int) + 2 * suite.PublicKeyLength + SessionTerms.HashLength + SessionTerms.NonceLength + suite.SignatureLength;

    private void WriteContent(MessageWriter writer) =>
        writer.Text(Name).Bytes(ShareKey.Span).Bytes(MaskKey.Span).Bytes(Commitment.Span).Bytes(Nonce.Span);
}
