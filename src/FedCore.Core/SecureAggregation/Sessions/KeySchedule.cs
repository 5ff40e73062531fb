using System.Security.Cryptography;
using FedCore.SecureAggregation.Masks;
using FedCore.SecureAggregation.Messages;
using FedCore.SecureAggregation.Suites;

namespace FedCore.SecureAggregation.Sessions;

/// <summary>
/// The keys of one session. Each is derived for one purpose and used once; the list of advertisements is the salt of all, so that nobody shares a key with somebody who was
/// told of other clients.
/// </summary>
/// <param name="suite">The cryptography.</param>
/// <param name="session">The session's hash.</param>
/// <param name="advertisements">The list's hash.</param>
internal sealed class KeySchedule(ISecureAggregationSuite suite, byte[] session, byte[] advertisements)
{
    /// <summary>What a client promises of the seed of its self mask.</summary>
    public static byte[] Commitment(ReadOnlySpan<byte> session, ReadOnlySpan<byte> seed) =>
        SHA256.HashData(new MessageWriter().Bytes(Labels.Commitment).Bytes(session).Bytes(seed).Written);

    /// <summary>The key of a client's self mask.</summary>
    public byte[] SelfMask(ReadOnlySpan<byte> seed) => Derive(seed, new MessageWriter().Bytes(Labels.SelfMask).Bytes(session));

    /// <summary>The key of the mask between two clients, the same at both ends.</summary>
    public byte[] PairMask(IAgreementKey own, Advertisement other, int ownNumber, int otherNumber)
    {
        using IAgreementPeer peer = Import(other.MaskKey, other);
        return PairMask(own, peer, ownNumber, otherNumber);
    }

    /// <inheritdoc cref="PairMask(IAgreementKey, Advertisement, int, int)"/>
    public byte[] PairMask(IAgreementKey own, IAgreementPeer other, int ownNumber, int otherNumber)
    {
        byte[] secret = own.Agree(other);
        byte[] key = Derive(secret, new MessageWriter().Bytes(Labels.PairMask).Bytes(session).Number(Math.Min(ownNumber, otherNumber)).Number(Math.Max(ownNumber, otherNumber)));
        CryptographicOperations.ZeroMemory(secret);
        return key;
    }

    /// <summary>The keys of the shares from a client to a neighbour and of those back.</summary>
    public (byte[] Sealing, byte[] Opening) ShareKeys(IAgreementKey own, Advertisement other, int ownNumber, int otherNumber)
    {
        using IAgreementPeer peer = Import(other.ShareKey, other);
        byte[] secret = own.Agree(peer);
        byte[] sealing = Derive(secret, new MessageWriter().Bytes(ShareContext(ownNumber, otherNumber))), opening = Derive(secret, new MessageWriter().Bytes(ShareContext(otherNumber, ownNumber)));
        CryptographicOperations.ZeroMemory(secret);
        return (sealing, opening);
    }

    /// <summary>What shares are bound to: the session, from whom they are, and for whom.</summary>
    public byte[] ShareContext(int from, int to) => new MessageWriter().Bytes(Labels.Share).Bytes(session).Number(from).Number(to).ToArray();

    private byte[] Derive(ReadOnlySpan<byte> secret, MessageWriter info)
    {
        byte[] key = new byte[MaskStream.KeyLength];
        suite.Derive(secret, advertisements, info.Written, key);
        return key;
    }

    private IAgreementPeer Import(ReadOnlyMemory<byte> publicKey, Advertisement owner)
    {
        try
        {
            return suite.ImportPeer(publicKey.Span);
        }
        catch (CryptographicException fault)
        {
            throw new SecureAggregationException(SecureAggregationCodes.Key, $"A public key of client '{Shown.Of(owner.Name)}' is no point of the curve.", fault);
        }
    }
}
