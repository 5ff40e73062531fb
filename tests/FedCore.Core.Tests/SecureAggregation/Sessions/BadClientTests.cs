using System.Buffers.Binary;
using FedCore.Aggregation;
using FedCore.Numerics;
using FedCore.SecureAggregation;
using FedCore.SecureAggregation.Messages;
using FedCore.SecureAggregation.Sessions;
using FedCore.SecureAggregation.Sharing;

namespace FedCore.Core.Tests.SecureAggregation.Sessions;

/// <summary>What an aggregator does about clients that send what they should not.</summary>
public class BadClientTests
{
    [Fact]
    public void An_advertisement_of_another_or_of_nobody_or_with_a_key_that_is_none_is_refused()
    {
        using var federation = new Federation(3);
        SessionTerms terms = federation.Terms();
        using var server = new ServerSession(terms, federation);
        using ClientSession client = federation.Join("site0000", terms), late = federation.Join("site0000", terms);
        Assert.Equal(SecureAggregationCodes.Stranger, Code(() => server.AcceptAdvertisement("site0001", client.Advertise())));
        Assert.Equal(SecureAggregationCodes.Roster, Code(() => server.AcceptAdvertisement("nobody", new Accomplice("nobody", null, terms).Advertisement.Encode())));
        Assert.Equal(SecureAggregationCodes.Signature, Code(() => server.AcceptAdvertisement("site0001", new Accomplice("site0001", null, terms).Advertisement.Encode())));
        Advertisement bad = client.Own with { Name = "site0001", MaskKey = new byte[65] };
        bad = bad with { Signature = federation.KeyOf("site0001").Sign(bad.SignedBytes(terms.Digest())) };
        Assert.Equal(SecureAggregationCodes.Key, Code(() => server.AcceptAdvertisement("site0001", bad.Encode())));
        server.AcceptAdvertisement("site0000", client.Advertise());
        server.AcceptAdvertisement("site0000", client.Advertise());
        Assert.Equal(SecureAggregationCodes.Repeated, Code(() => server.AcceptAdvertisement("site0000", late.Advertise())));
        Assert.Equal(["site0000"], server.Arrived);
    }

    [Fact]
    public void Whoever_has_no_part_in_a_stage_is_refused()
    {
        using var federation = new Federation(4);
        (ServerSession server, Dictionary<string, ClientSession> clients, byte[] list) = Advertised(federation, federation.Names.Take(3));
        Assert.Equal(SecureAggregationCodes.Stranger, Code(() => server.AcceptShares("site0003", new byte[88 * 2])));
        Assert.Equal(SecureAggregationCodes.Message, Code(() => server.AcceptShares("site0000", new byte[88])));
        Assert.Equal(SecureAggregationCodes.Order, Code(() => server.AcceptMaskedInput("site0000")));
        foreach (string name in server.Awaited) server.AcceptShares(name, clients[name].Share(list));
        server.CloseSharing();
        Assert.Equal(SecureAggregationCodes.Stranger, Code(() => server.AcceptMaskedInput("site0003")));
    }

    // Seven holders and a threshold of five: whoever lies in a share is found by those who do not.
    [Fact]
    public async Task A_wrong_share_is_found_out_and_done_without()
    {
        using var federation = new Federation(7);
        (ServerSession server, Dictionary<string, byte[]> replies) = Confirmed(federation);
        replies["site0002"][36 * 3] ^= 1;
        foreach ((string name, byte[] reply) in replies) server.AcceptUnmasking(name, reply);
        using var resources = new AggregationResources(2, new FlatVectorPool());
        using SumMask mask = await server.UnmaskAsync(resources);
        Assert.Equal(7, mask.Count);
        Assert.Equal(["site0002"], server.Liars);
    }

    // Ten holders and a threshold of seven: three can be done without, wherever they are. Errors of 1 or -1 would cancel at times, in the secret of seven of whom two lie, since coefficients of
    // interpolation repeat like binomials: then nobody can tell who does. Errors of three bytes do not.
    [Fact]
    public async Task As_many_wrong_shares_as_can_be_spared_are_found_out_and_done_without()
    {
        using var federation = new Federation(10);
        (ServerSession server, Dictionary<string, byte[]> replies) = Confirmed(federation);
        foreach ((string liar, byte[] error) in ((string, byte[])[])[("site0000", [0x35, 0xC9, 0x6B]), ("site0002", [0xA7, 0x5E, 0x93]), ("site0005", [0xD1, 0x2F, 0xB8])])
            for (int i = 0; i < error.Length; i++) replies[liar][36 * 3 + i] ^= error[i];
        foreach ((string name, byte[] reply) in replies) server.AcceptUnmasking(name, reply);
        using var resources = new AggregationResources(2, new FlatVectorPool());
        using SumMask mask = await server.UnmaskAsync(resources);
        Assert.Equal(["site0000", "site0002", "site0005"], server.Liars);
    }

    [Fact]
    public async Task A_wrong_share_that_cannot_be_done_without_fails_the_round()
    {
        using var federation = new Federation(7);
        (ServerSession server, Dictionary<string, byte[]> replies) = Confirmed(federation);
        replies["site0002"][36 * 3] ^= 1;
        foreach ((string name, byte[] reply) in replies.Take(5)) server.AcceptUnmasking(name, reply);
        Assert.True(server.CanUnmask);
        using var resources = new AggregationResources(2, new FlatVectorPool());
        SecureAggregationException fault = await Assert.ThrowsAsync<SecureAggregationException>(() => server.UnmaskAsync(resources));
        Assert.Equal(SecureAggregationCodes.Commitment, fault.Code);
        Assert.Contains("client 'site0003'", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Shares_that_are_none_or_of_another_number_or_come_twice_are_refused()
    {
        using var federation = new Federation(5);
        (ServerSession server, Dictionary<string, byte[]> replies) = Confirmed(federation);
        byte[] good = replies["site0000"], outside = [.. good];
        BinaryPrimitives.WriteUInt32LittleEndian(outside, PrimeField.Prime);
        Assert.Equal(SecureAggregationCodes.Message, Code(() => server.AcceptUnmasking("site0000", good.AsMemory(36))));
        Assert.Equal(SecureAggregationCodes.Share, Code(() => server.AcceptUnmasking("site0000", outside)));
        server.AcceptUnmasking("site0000", good);
        server.AcceptUnmasking("site0000", good);
        Assert.Equal(SecureAggregationCodes.Repeated, Code(() => server.AcceptUnmasking("site0000", replies["site0001"])));
        Assert.False(server.CanUnmask);
    }

    [Fact]
    public void A_signature_of_another_set_is_refused()
    {
        using var federation = new Federation(5);
        (ServerSession server, Dictionary<string, ClientSession> clients, _) = Masked(federation);
        byte[] set = server.CloseMasking();
        Assert.Equal(SecureAggregationCodes.Signature, Code(() => server.AcceptConfirmation("site0000", clients["site0001"].Confirm(set))));
        server.AcceptConfirmation("site0001", clients["site0001"].Confirm(set));
        Assert.Equal(["site0001"], server.Arrived);
    }

    private static (ServerSession, Dictionary<string, ClientSession>, byte[] List) Advertised(Federation federation, IEnumerable<string> names)
    {
        SessionTerms terms = federation.Terms();
        var server = new ServerSession(terms, federation);
        Dictionary<string, ClientSession> clients = names.ToDictionary(name => name, name => federation.Join(name, terms));
        foreach ((string name, ClientSession client) in clients) server.AcceptAdvertisement(name, client.Advertise());
        return (server, clients, server.CloseAdvertising());
    }

    private static (ServerSession, Dictionary<string, ClientSession>, byte[]) Masked(Federation federation)
    {
        (ServerSession server, Dictionary<string, ClientSession> clients, byte[] list) = Advertised(federation, federation.Names);
        foreach ((string name, ClientSession client) in clients) server.AcceptShares(name, client.Share(list));
        server.CloseSharing();
        foreach ((string name, ClientSession client) in clients)
        {
            client.Mask(server.DeliveryTo(name), 0).Dispose();
            server.AcceptMaskedInput(name);
        }

        return (server, clients, list);
    }

    private static (ServerSession, Dictionary<string, byte[]> Replies) Confirmed(Federation federation)
    {
        (ServerSession server, Dictionary<string, ClientSession> clients, _) = Masked(federation);
        byte[] set = server.CloseMasking();
        foreach ((string name, ClientSession client) in clients) server.AcceptConfirmation(name, client.Confirm(set));
        server.CloseConfirming();
        return (server, clients.ToDictionary(client => client.Key, client => client.Value.Unmask(server.UnmaskRequestTo(client.Key)).ToArray()));
    }

    private static string Code(Action send) => Assert.Throws<SecureAggregationException>(send).Code;
}
