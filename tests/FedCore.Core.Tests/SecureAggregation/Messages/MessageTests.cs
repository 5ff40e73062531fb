using FedCore.Core.Tests.SecureAggregation.Sessions;
using FedCore.Numerics;
using FedCore.SecureAggregation;
using FedCore.SecureAggregation.Graphs;
using FedCore.SecureAggregation.Messages;
using FedCore.SecureAggregation.Suites;

namespace FedCore.Core.Tests.SecureAggregation.Messages;

public class MessageTests
{
    private static readonly ISecureAggregationSuite Suite = SecureAggregationSuites.Default;

    [Fact]
    public void Terms_come_back_and_every_field_is_in_their_digest()
    {
        using var federation = new Federation(3);
        SessionTerms terms = federation.Terms();
        Assert.Equal(terms.Encode(), SessionTerms.Decode(terms.Encode()).Encode());
        SessionTerms[] others =
        [
            terms, terms with { Suite = 9 }, terms with { Run = "x" }, terms with { Purpose = SumPurpose.Evaluation }, terms with { Round = 7 }, terms with { Attempt = 7 }, terms with { Nonce = new byte[16] }, terms with { Encoding = new byte[32] }, terms with { Assignment = new byte[32] },
            terms with { Invited = 9 }, terms with { Graph = new GraphParameters(9, 3) }, terms with { Graph = new GraphParameters(2, 2) }, terms with { MinimumCohort = 9 }, terms with { MaximumDropout = 0.5 },
        ];
        Assert.Equal(others.Length, others.Select(other => Convert.ToHexString(other.Digest())).Distinct().Count());

        // One change for each property, and two for the graph.
        Assert.Equal(typeof(SessionTerms).GetProperties().Length + 1, others.Length - 1);
    }

    [Theory]
    [InlineData(5, 3, 0.4, 3)]
    [InlineData(5, 2, 0.4, 3)]
    [InlineData(5, 4, 0.4, 4)]
    [InlineData(10, 2, 0.1, 9)]
    [InlineData(1000, 2, 0.05, 950)]
    public void As_many_must_survive_as_the_dropout_leaves_and_the_minimum_says(int members, int minimum, double dropout, int least)
    {
        using var federation = new Federation(3);
        Assert.Equal(least, (federation.Terms() with { MinimumCohort = minimum, MaximumDropout = dropout }).LeastSurvivors(members));
    }

    // 20,000 messages of each kind: good ones with some bytes changed, cut or added, and random ones.
    [Fact]
    public void Whatever_the_bytes_are_they_are_read_or_refused()
    {
        using var federation = new Federation(4);
        SessionTerms terms = federation.Terms();
        var session = new HostileSession(federation, terms, federation.Names, []);
        var request = new UnmaskRequest(new MemberSet(4, 0, 2), [(0, new byte[64])], [0, 2], [1]);
        (byte[] Good, Action<byte[]> Read)[] kinds =
        [
            (terms.Encode(), bytes => SessionTerms.Decode(bytes)),
            (session.List.Members[0].Encode(), bytes => Advertisement.Decode(bytes, Suite)),
            (session.List.Encoded, bytes => AdvertisementList.Decode(bytes, terms, Suite)),
            (new DeliveredShares([(1, new byte[88]), (2, new byte[88])]).Encode(), bytes => DeliveredShares.Decode(bytes, 3, Suite)),
            (request.Encode(), bytes => UnmaskRequest.Decode(bytes, 4, Suite)),
            (new byte[176], bytes => SealedShares.Decode(bytes, 2, Suite)),
        ];
        RandomStream random = Statistics.Stream("fuzz");
        int refused = 0, read = 0;
        foreach ((byte[] good, Action<byte[]> decode) in kinds)
        {
            decode(good);
            for (int i = 0; i < 20_000; i++)
            {
                byte[] bytes = Mutate(good, random);
                try
                {
                    decode(bytes);
                    read++;
                }
                catch (SecureAggregationException refusal)
                {
                    Assert.Equal(SecureAggregationCodes.Message, refusal.Code);
                    refused++;
                }
            }
        }

        Assert.True(refused > 10_000 && read > 10_000, $"{refused} refused, {read} read");
    }

    [Fact]
    public void A_set_is_the_clients_that_were_put_in()
    {
        var set = new MemberSet(11, 0, 3, 10);
        Assert.Equal([0, 3, 10], set.Included);
        Assert.Equal(3, set.Count);
        Assert.False(set.Contains(11));
        Assert.False(set.Contains(-1));
        SecureAggregationException refusal = Assert.Throws<SecureAggregationException>(() =>
        {
            var reader = new MessageReader([0, 0b1000], "A set");
            MemberSet.Read(ref reader, 11);
        });
        Assert.Equal("A set cannot be read: it names clients that are not there.", refusal.Message);
    }

    private static byte[] Mutate(byte[] good, RandomStream random)
    {
        byte[] bytes = random.NextInt64(4) switch
        {
            0 => good[..(int)random.NextInt64(good.Length + 1)],
            1 => [.. good, .. new byte[1 + random.NextInt64(9)]],
            2 => new byte[random.NextInt64(good.Length + 9)],
            _ => [.. good],
        };
        for (long change = random.NextInt64(4); change > 0 && bytes.Length > 0; change--)
        {
            // Lengths and counts lie at the front, where most is decided.
            long place = random.NextInt64(2) == 0 ? random.NextInt64(Math.Min(bytes.Length, 80)) : random.NextInt64(bytes.Length);
            bytes[place] = (byte)random.NextUInt64();
        }

        return bytes;
    }
}
