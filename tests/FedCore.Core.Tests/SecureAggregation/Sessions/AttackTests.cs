using FedCore.SecureAggregation;
using FedCore.SecureAggregation.Messages;
using FedCore.SecureAggregation.Sessions;
using FedCore.SecureAggregation.Suites;

namespace FedCore.Core.Tests.SecureAggregation.Sessions;

/// <summary>Attacks on a client, carried out, and the reason with which it refuses each.</summary>
public class AttackTests
{
    private const string Victim = "site0000";
    private static readonly ISecureAggregationSuite Suite = SecureAggregationSuites.Default;

    [Fact]
    public void A_session_of_another_run_round_or_encoding_is_refused()
    {
        using var federation = new Federation(3);
        SessionTerms terms = federation.Terms();
        foreach (SessionTerms other in (SessionTerms[])
        [
            terms with { Run = "sha256:1" }, terms with { Purpose = SumPurpose.Evaluation }, terms with { Round = 2 }, terms with { Encoding = new byte[32] }, terms with { Suite = 2 },
        ])
        {
            var party = new ClientParty(Victim, federation.KeyOf(Victim), federation, federation.Limits, new SessionHistory());
            Assert.Equal(SecureAggregationCodes.Terms, Code(() => new ClientSession(other, party, federation.Expect(terms)).Dispose()));
        }
    }

    [Fact]
    public void A_cohort_or_a_dropout_beyond_the_clients_own_limits_is_refused()
    {
        using var federation = new Federation(5, new ClientLimits { AdversarialRate = 0, MinimumCohort = 4, MaximumDropout = 0.2 });
        Assert.Equal(SecureAggregationCodes.Cohort, Code(() => federation.Join(Victim, federation.Terms() with { MinimumCohort = 3 })));
        Assert.Equal(SecureAggregationCodes.Terms, Code(() => federation.Join(Victim, federation.Terms() with { MaximumDropout = 0.3 })));
        federation.Join(Victim, federation.Terms()).Dispose();
    }

    [Fact]
    public void Keys_are_new_in_every_session_and_a_session_does_not_come_again()
    {
        using var federation = new Federation(3);
        var history = new SessionHistory();
        SessionTerms terms = federation.Terms();
        using ClientSession first = federation.Join(Victim, terms, history: history), second = federation.Join(Victim, federation.Terms(attempt: 2), history: history);
        Assert.NotEqual(first.Own.ShareKey.ToArray(), second.Own.ShareKey.ToArray());
        Assert.NotEqual(first.Own.MaskKey.ToArray(), second.Own.MaskKey.ToArray());
        Assert.NotEqual(first.Own.Commitment.ToArray(), second.Own.Commitment.ToArray());
        foreach (SessionTerms again in (SessionTerms[])[terms, federation.Terms(attempt: 2)])
            Assert.Equal(SecureAggregationCodes.Replayed, Code(() => federation.Join(Victim, again, history: history)));
        federation.Join(Victim, federation.Terms(round: 2), history: history).Dispose();
        Assert.Equal(SecureAggregationCodes.Replayed, Code(() => federation.Join(Victim, federation.Terms(attempt: 9), history: history)));
    }

    // Also where both sessions began before either sum was unmasked.
    [Fact]
    public void Nobody_helps_to_unmask_two_sums_of_a_round()
    {
        using var federation = new Federation(3);
        Dictionary<string, SessionHistory> histories = federation.Names.ToDictionary(name => name, _ => new SessionHistory());
        HostileSession[] sessions = [.. ((int[])[1, 2]).Select(attempt => new HostileSession(federation, federation.Terms(attempt: attempt), federation.Names, [], null, histories))];
        foreach (HostileSession session in sessions)
        {
            session.Share();
            session.Mask();
        }

        sessions[0].Finish();
        Assert.Empty(sessions[0].Refusals);
        sessions[1].Finish();
        Assert.All(federation.Names, name => Assert.Equal(SecureAggregationCodes.Retry, sessions[1].Refusals[name]));
        Assert.Equal(SecureAggregationCodes.Retry, Code(() => federation.Join(Victim, federation.Terms(attempt: 3), history: histories[Victim])));
    }

    [Theory]
    [InlineData("mask key")]
    [InlineData("share key")]
    [InlineData("commitment")]
    [InlineData("signature")]
    public void An_altered_advertisement_is_refused(string what)
    {
        using var federation = new Federation(3);
        SessionTerms terms = federation.Terms();
        using IAgreementKey own = Suite.CreateAgreementKey();
        var session = new HostileSession(federation, terms, federation.Names, []);
        session.Share(name => name != Victim ? null : Change(session.List, "site0001", good => what switch
        {
            "mask key" => good with { MaskKey = own.PublicKey },
            "share key" => good with { ShareKey = own.PublicKey },
            "commitment" => good with { Commitment = new byte[32] },
            _ => good with { Signature = federation.KeyOf("site0001").Sign([1]) },
        }));
        Assert.Equal(SecureAggregationCodes.Signature, session.Refusals[Victim]);
    }

    [Fact]
    public void The_keys_of_two_clients_swapped_are_refused()
    {
        using var federation = new Federation(3);
        var session = new HostileSession(federation, federation.Terms(), federation.Names, []);
        session.Share(name => name != Victim ? null : Change(session.List, "site0001", good => session.AdvertisementOf("site0002") with { Name = good.Name }));
        Assert.Equal(SecureAggregationCodes.Signature, session.Refusals[Victim]);
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 1)]
    [InlineData(1, 2)]
    public void An_advertisement_of_an_earlier_attempt_or_round_is_refused(int attempt, int round)
    {
        using var federation = new Federation(3);
        var old = new HostileSession(federation, federation.Terms(round, attempt), federation.Names, []);
        var session = new HostileSession(federation, federation.Terms(3, 3), federation.Names, []);
        session.Share(name => name != Victim ? null : Change(session.List, "site0001", _ => old.AdvertisementOf("site0001")));
        Assert.Equal(SecureAggregationCodes.Signature, session.Refusals[Victim]);
    }

    [Fact]
    public void A_list_without_the_client_or_with_other_keys_of_it_is_refused()
    {
        using var federation = new Federation(4);
        var old = new HostileSession(federation, federation.Terms(), federation.Names, []);
        foreach (Func<AdvertisementList, AdvertisementList> alter in (Func<AdvertisementList, AdvertisementList>[])
        [
            list => AdvertisementList.Create(list.Members.Where(member => member.Name != Victim)),
            list => Change(list, Victim, _ => old.AdvertisementOf(Victim)),
        ])
        {
            var session = new HostileSession(federation, federation.Terms(), federation.Names, []);
            session.Share(name => name == Victim ? alter(session.List) : null);
            Assert.Equal(SecureAggregationCodes.OwnAdvertisement, session.Refusals[Victim]);
        }
    }

    [Fact]
    public void Sites_that_were_told_of_different_cohorts_cannot_read_each_others_shares()
    {
        using var federation = new Federation(4, new ClientLimits { AdversarialRate = 0, MinimumCohort = 2, MaximumDropout = 0.25 });
        SessionTerms terms = federation.Terms();
        var session = new HostileSession(federation, terms, federation.Names, []);
        AdvertisementList three = AdvertisementList.Create(session.List.Members.Take(3));
        session.Share(name => name == Victim ? three : null);
        Assert.Empty(session.Refusals);
        foreach (((int from, int to) key, ReadOnlyMemory<byte> box) in session.Views[1].Sealed) session.Views[0].Sealed.TryAdd(key, box);
        session.Mask((_, from) => from < 3);
        Assert.Equal(SecureAggregationCodes.Share, session.Refusals[Victim]);
    }

    [Theory]
    [InlineData("altered")]
    [InlineData("swapped")]
    [InlineData("reflected")]
    public void A_share_that_is_not_from_its_sender_for_its_receiver_is_refused(string what)
    {
        using var federation = new Federation(4);
        var session = new HostileSession(federation, federation.Terms(), federation.Names, []);
        session.Share();
        session.Mask(altered: (name, good) => name != Victim ? good : what switch
        {
            "altered" => new DeliveredShares([(1, Flip(good.Shares[0].Sealed)), .. good.Shares.Skip(1)]),
            "swapped" => new DeliveredShares([(1, good.Shares[1].Sealed), (2, good.Shares[0].Sealed), good.Shares[2]]),
            _ => new DeliveredShares([(1, session.Views[0].Sealed[(0, 1)]), .. good.Shares.Skip(1)]),
        });
        Assert.Equal(SecureAggregationCodes.Share, session.Refusals[Victim]);
        Assert.Single(session.Refusals);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(4)]
    [InlineData(-1)]
    public void A_share_of_somebody_who_is_no_neighbour_is_refused(int from)
    {
        using var federation = new Federation(4);
        var session = new HostileSession(federation, federation.Terms(), federation.Names, []);
        session.Share();
        session.Mask(altered: (name, good) => name != Victim ? good : new DeliveredShares([.. good.Shares.Take(2), (from, good.Shares[2].Sealed)]));
        Assert.Equal(SecureAggregationCodes.Stranger, session.Refusals[Victim]);
    }

    [Fact]
    public void A_survivor_set_without_the_client_is_refused()
    {
        using var federation = new Federation(5);
        HostileSession session = Masked(federation);
        session.Confirm(Victim, session.SetOf(federation.Names.Skip(1)));
        Assert.Equal(SecureAggregationCodes.Survivors, session.Refusals[Victim]);
    }

    [Fact]
    public void A_survivor_set_below_the_minimum_is_refused()
    {
        using var federation = new Federation(5);
        HostileSession session = Masked(federation);
        session.Confirm(Victim, session.SetOf(federation.Names.Take(3)));
        Assert.Equal(SecureAggregationCodes.Survivors, session.Refusals[Victim]);
    }

    [Fact]
    public void A_survivor_whose_shares_had_not_arrived_is_refused()
    {
        using var federation = new Federation(5);
        var session = new HostileSession(federation, federation.Terms(), federation.Names, []);
        session.Share();
        session.Mask((name, from) => name != Victim || from != 3);
        session.Confirm(Victim, session.SetOf(federation.Names));
        Assert.Equal(SecureAggregationCodes.Survivors, session.Refusals[Victim]);
    }

    [Fact]
    public void A_request_for_another_set_than_was_signed_is_refused()
    {
        using var federation = new Federation(5);
        HostileSession session = Masked(federation);
        foreach (string name in federation.Names) session.Confirm(name, session.SetOf(federation.Names));
        session.Unmask(Victim, session.SetOf(federation.Names.Take(4)), federation.Names.Take(4), federation.Names.Skip(4));
        Assert.Equal(SecureAggregationCodes.Consistency, session.Refusals[Victim]);
    }

    [Theory]
    [InlineData("forged")]
    [InlineData("repeated")]
    [InlineData("of another session")]
    [InlineData("of a stranger")]
    public void Signatures_that_are_no_threshold_are_refused(string what)
    {
        using var federation = new Federation(5);
        HostileSession session = Masked(federation);
        MemberSet all = session.SetOf(federation.Names);
        foreach (string name in federation.Names) session.Confirm(name, all);
        byte[] elsewhere = federation.KeyOf("site0003").Sign(Confirmation.SignedBytes(new byte[32], session.Views[0].List.Hash, all));
        session.Unmask(Victim, all, federation.Names, [], good => good with
        {
            Signatures = what switch
            {
                "forged" => [.. good.Signatures.Take(3), (3, federation.KeyOf("site0002").Sign([1]))],
                "repeated" => [.. good.Signatures.Take(3), good.Signatures[0], good.Signatures[1]],
                "of another session" => [.. good.Signatures.Take(3), (3, elsewhere)],
                _ => [.. good.Signatures.Take(3), (-1, good.Signatures[3].Signature)],
            },
        });
        Assert.Equal(SecureAggregationCodes.Consistency, session.Refusals[Victim]);
    }

    [Theory]
    [InlineData("the same client in both lists")]
    [InlineData("the mask key of a survivor")]
    [InlineData("the self mask of a client that vanished")]
    public void Whoever_asks_for_the_wrong_secret_gets_none(string what)
    {
        using var federation = new Federation(5);
        HostileSession session = Masked(federation);
        string[] survivors = [.. federation.Names.Take(4)];
        MemberSet set = session.SetOf(survivors);
        foreach (string name in survivors) session.Confirm(name, set);
        (string[] alive, string[] dead) = what switch
        {
            "the same client in both lists" => (survivors, (string[])["site0001", "site0004"]),
            "the mask key of a survivor" => (["site0000"], (string[])["site0001"]),
            _ => (federation.Names.ToArray(), []),
        };
        session.Unmask(Victim, set, alive, dead);
        Assert.Equal(SecureAggregationCodes.BothSecrets, session.Refusals[Victim]);
    }

    [Fact]
    public void Shares_of_somebody_of_whom_the_client_holds_none_are_refused()
    {
        using var federation = new Federation(5);
        HostileSession session = Masked(federation);
        MemberSet all = session.SetOf(federation.Names);
        foreach (string name in federation.Names) session.Confirm(name, all);
        session.Unmask(Victim, all, federation.Names, [], good => good with { Dead = [7] });
        Assert.Equal(SecureAggregationCodes.Stranger, session.Refusals[Victim]);
    }

    [Fact]
    public void The_same_message_gets_the_same_reply_and_another_one_none()
    {
        using var federation = new Federation(3);
        SessionTerms terms = federation.Terms();
        using var server = new ServerSession(terms, federation);
        Dictionary<string, ClientSession> clients = federation.Names.ToDictionary(name => name, name => federation.Join(name, terms));
        foreach ((string name, ClientSession client) in clients) server.AcceptAdvertisement(name, client.Advertise());
        byte[] list = server.CloseAdvertising();
        foreach ((string name, ClientSession client) in clients) server.AcceptShares(name, client.Share(list));
        ClientSession victim = clients[Victim];
        Assert.Equal(victim.Share(list), victim.Share(list));
        Assert.Equal(SecureAggregationCodes.Repeated, Code(() => victim.Share([.. list, 0])));
        server.CloseSharing();
        foreach ((string name, ClientSession client) in clients)
        {
            client.Mask(server.DeliveryTo(name), 0).Dispose();
            server.AcceptMaskedInput(name);
        }

        Assert.Equal(SecureAggregationCodes.Repeated, Code(() => victim.Mask(server.DeliveryTo(Victim), 0)));
        byte[] set = server.CloseMasking();
        foreach ((string name, ClientSession client) in clients) server.AcceptConfirmation(name, client.Confirm(set));
        Assert.Equal(victim.Confirm(set), victim.Confirm(set));
        Assert.Equal(SecureAggregationCodes.Repeated, Code(() => victim.Confirm([3])));
        server.CloseConfirming();
        byte[] request = server.UnmaskRequestTo(Victim), reply = victim.Unmask(request);
        Assert.Equal(reply, victim.Unmask(request));
        Assert.Equal(3 * 36, reply.Length);
        Assert.Equal(SecureAggregationCodes.Repeated, Code(() => victim.Unmask([.. request, 0])));
        victim.Dispose();
        Assert.Equal(SecureAggregationCodes.Order, Code(() => victim.Unmask(request)));
    }

    [Fact]
    public void A_message_that_is_not_due_is_refused()
    {
        using var federation = new Federation(3);
        using ClientSession client = federation.Join(Victim, federation.Terms());
        Assert.Equal(SecureAggregationCodes.Order, Code(() => client.Mask([0, 0, 0, 0], 0)));
        Assert.Equal(SecureAggregationCodes.Order, Code(() => client.Confirm([7])));
        Assert.Equal(SecureAggregationCodes.Order, Code(() => client.Unmask([7])));
    }

    [Fact]
    public void A_client_that_refused_has_no_further_part()
    {
        using var federation = new Federation(5);
        HostileSession session = Masked(federation);
        session.Confirm(Victim, session.SetOf(federation.Names.Take(3)));
        session.Refusals.Clear();
        session.Confirm(Victim, session.SetOf(federation.Names));
        Assert.Equal(SecureAggregationCodes.Order, session.Refusals[Victim]);
    }

    private static HostileSession Masked(Federation federation)
    {
        var session = new HostileSession(federation, federation.Terms(), federation.Names, []);
        session.Share();
        session.Mask();
        Assert.Empty(session.Refusals);
        return session;
    }

    private static AdvertisementList Change(AdvertisementList list, string name, Func<Advertisement, Advertisement> change) =>
        AdvertisementList.Create(list.Members.Select(member => member.Name == name ? change(member) : member));

    private static ReadOnlyMemory<byte> Flip(ReadOnlyMemory<byte> bytes) => (byte[])[(byte)(bytes.Span[0] ^ 1), .. bytes.Span[1..]];

    private static string Code(Action attack) => Assert.Throws<SecureAggregationException>(attack).Code;
}
