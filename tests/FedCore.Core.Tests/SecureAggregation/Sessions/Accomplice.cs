using System.Security.Cryptography;
using FedCore.SecureAggregation.Graphs;
using FedCore.SecureAggregation.Messages;
using FedCore.SecureAggregation.Sessions;
using FedCore.SecureAggregation.Sharing;
using FedCore.SecureAggregation.Suites;

namespace FedCore.Core.Tests.SecureAggregation.Sessions;

/// <summary>A client whose secrets are the adversary's, and who signs and seals whatever he wants.</summary>
internal sealed class Accomplice
{
    private static readonly ISecureAggregationSuite Suite = SecureAggregationSuites.Default;

    private readonly byte[] _selfSeed = RandomNumberGenerator.GetBytes(32), _maskSeed = RandomNumberGenerator.GetBytes(32);
    private readonly ISigningKey _identity;

    /// <param name="name">The name that he takes.</param>
    /// <param name="identity">The key that he signs with; null for one that nobody knows.</param>
    /// <param name="terms">The session.</param>
    public Accomplice(string name, ISigningKey? identity, SessionTerms terms)
    {
        _identity = identity ?? Suite.CreateSigningKey();
        (ShareKey, MaskKey) = (Suite.CreateAgreementKey(), Suite.CreateAgreementKey(_maskSeed));
        byte[] session = terms.Digest();
        var unsigned = new Advertisement(name, ShareKey.PublicKey, MaskKey.PublicKey, KeySchedule.Commitment(session, _selfSeed), RandomNumberGenerator.GetBytes(16), default);
        Advertisement = unsigned with { Signature = _identity.Sign(unsigned.SignedBytes(session)) };
    }

    public string Name => Advertisement.Name;

    public Advertisement Advertisement { get; }

    public IAgreementKey ShareKey { get; }

    public IAgreementKey MaskKey { get; }

    /// <summary>Honest shares of his secrets for the others, sealed, for one of the places that he has in a list.</summary>
    public Dictionary<int, byte[]> Share(AdvertisementList list, SessionTerms terms, int own)
    {
        MaskGraph graph = list.Graph(terms);
        int[] neighbours = graph.NeighboursOf(own);
        uint[] places = [.. neighbours.Select(member => (uint)member + 1)];
        byte[] self = new byte[places.Length * SecretSharing.ShareLength], mask = new byte[self.Length];
        SecretSharing.Split(_selfSeed, terms.Graph.Threshold, places, self);
        SecretSharing.Split(_maskSeed, terms.Graph.Threshold, places, mask);
        var keys = new KeySchedule(Suite, terms.Digest(), list.Hash);
        var shares = new Dictionary<int, byte[]>();
        for (int i = 0; i < neighbours.Length; i++)
        {
            byte[] pair = [.. self.AsSpan(i * SecretSharing.ShareLength, SecretSharing.ShareLength), .. mask.AsSpan(i * SecretSharing.ShareLength, SecretSharing.ShareLength)];
            byte[] box = new byte[SealedShares.Length(Suite)];
            Suite.Seal(keys.ShareKeys(ShareKey, list.Members[neighbours[i]], own, neighbours[i]).Sealing, keys.ShareContext(own, neighbours[i]), pair, box);
            shares.Add(neighbours[i], box);
        }

        return shares;
    }

    public byte[] Confirm(SessionTerms terms, AdvertisementList list, MemberSet survivors) => _identity.Sign(Confirmation.SignedBytes(terms.Digest(), list.Hash, survivors));
}
