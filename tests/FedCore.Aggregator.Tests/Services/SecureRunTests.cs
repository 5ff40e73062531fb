using FedCore.Hosting.Federation;
using FedCore.Protocol.V1;
using FedCore.SecureAggregation.Identity;
using FedCore.SecureAggregation.Messages;
using FedCore.SecureAggregation.Sessions;
using FedCore.SecureAggregation.Suites;
using FedCore.Tests;
using Google.Protobuf;
using Grpc.Core;

namespace FedCore.Aggregator.Tests.Services;

/// <summary>Runs with secure sums at the aggregator: who the sites are, and what is taken from them.</summary>
public sealed class SecureRunTests : IDisposable
{
    private static readonly byte[] Ready = "ready"u8.ToArray();

    private readonly TemporaryFolder _folder = new();
    private readonly ISigningKey _root = SecureAggregationSuites.Default.CreateSigningKey();
    private readonly ISigningKey[] _keys = [.. Enumerable.Range(0, 3).Select(_ => SecureAggregationSuites.Default.CreateSigningKey())];

    public void Dispose()
    {
        _root.Dispose();
        foreach (ISigningKey key in _keys) key.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task The_identity_key_that_a_site_comes_with_first_is_its_own_until_it_gets_another_token()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        TestSite site = await aggregator.AddSiteAsync("north");
        (ByteString own, ByteString other) = (Key(), Key());
        await site.JoinAsync(own);
        await site.JoinAsync();
        await aggregator.RestartAsync();
        await Refusal.ThrowsAsync(StatusCode.InvalidArgument, "site.identity", () => site.JoinAsync(other));
        await site.JoinAsync(own, "clinics/3");
        Assert.Equal((own, "clinics/3"), ((await aggregator.SiteAsync("north")).IdentityKey, (await aggregator.SiteAsync("north")).Roster));
        string token = (await aggregator.Admin.ReplaceTokenAsync(new ReplaceTokenRequest { Name = "north" }, aggregator.AsCoordinator())).Token;
        await aggregator.RestartAsync();
        await new TestSite(aggregator, "north", token).JoinAsync(other);
        Assert.Equal(other, (await aggregator.SiteAsync("north")).IdentityKey);
    }

    [Fact]
    public async Task What_is_no_identity_is_refused()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        TestSite site = await aggregator.AddSiteAsync("north");
        byte[] off = Key().ToByteArray();
        off[^1] ^= 1;
        foreach (byte[] bad in (byte[][])[[1], new byte[65], off, new byte[1 << 16]])
            await Refusal.ThrowsAsync(StatusCode.InvalidArgument, "request.invalid", () => site.JoinAsync(ByteString.CopyFrom(bad)));
        await Refusal.ThrowsAsync(StatusCode.InvalidArgument, "request.invalid", () => site.JoinAsync(Key(), new string('r', 121)));
        Assert.True((await aggregator.SiteAsync("north")).IdentityKey.IsEmpty);
    }

    [Fact]
    public async Task With_a_roster_a_site_comes_with_the_key_that_is_in_it()
    {
        ByteString own = Key();
        await using TestAggregator aggregator = await TestAggregator.StartAsync(settings => settings with { Roster = Pin(("north", own)) });
        TestSite north = await aggregator.AddSiteAsync("north"), east = await aggregator.AddSiteAsync("east");
        await Refusal.ThrowsAsync(StatusCode.InvalidArgument, "site.identity", () => north.JoinAsync(Key()));
        await north.JoinAsync(own);

        // It may still take part in runs that sum in the clear.
        await east.JoinAsync(Key());
    }

    [Fact]
    public async Task A_run_with_secure_sums_has_the_sites_of_the_roster_alone()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync(settings => settings with { Roster = Pin(("north", Key()), ("south", Key())) });
        TestSite[] sites = [await aggregator.AddSiteAsync("north"), await aggregator.AddSiteAsync("south"), await aggregator.AddSiteAsync("east")];
        await Refusal.ThrowsAsync(StatusCode.InvalidArgument, "run.roster", () => aggregator.CreateRunAsync("secure", Secure(), sites));
        await aggregator.CreateRunAsync("clear", new SmallRun(), sites);
    }

    [Fact]
    public async Task A_run_with_fewer_sites_than_its_minimum_cohort_is_refused()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        TestSite[] sites = [await aggregator.AddSiteAsync("north"), await aggregator.AddSiteAsync("south")];
        await Refusal.ThrowsAsync(StatusCode.InvalidArgument, "run.cohort", () => aggregator.CreateRunAsync("run", Secure(), sites));
    }

    [Fact]
    public async Task Nothing_of_a_single_site_is_taken()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        (TestSite[] sites, SmallRun run) = await BeginAsync(aggregator, rosterOf: _ => "");
        TaskOffer task = await sites[0].TaskAsync();
        await Refusal.ThrowsAsync(StatusCode.InvalidArgument, "update.length", () => sites[0].AnswerAsync(task, run.Update()));
        await Refusal.ThrowsAsync(StatusCode.InvalidArgument, "update.encoding", () => sites[0].AnswerAsync(task, "readx"u8.ToArray()));
        Assert.True((await sites[0].AnswerAsync(task, Ready)).IsAccepted);
    }

    // A thousand sites have answers of a thousand lengths; what is longer than any that the protocol knows finds no room on the disk.
    [Fact]
    public async Task An_exchange_says_who_the_others_are_to_sites_without_a_roster_and_takes_no_answer_that_is_too_long()
    {
        await using TestAggregator aggregator = await TestAggregator.StartAsync();
        (TestSite[] sites, SmallRun run) = await BeginAsync(aggregator, rosterOf: name => name == "c2" ? "clinics/1" : "");
        foreach (TestSite site in sites) await site.AnswerAsync(await site.TaskAsync(), Ready);
        TaskOffer[] offers = [.. await Task.WhenAll(sites.Select(site => site.TaskAsync()))];
        Assert.All(offers, offer =>
        {
            Assert.Equal(TaskOffer.WorkOneofCase.Exchange, offer.WorkCase);
            Assert.Null(offer.Model);
            Assert.Equal(ExchangeStage.Advertise, offer.Exchange.Stage);
            Assert.Equal((run.Plan.Hash, 3), (SessionTerms.Decode(offer.Exchange.Terms.Span).Run, SessionTerms.Decode(offer.Exchange.Terms.Span).Invited));
        });
        await Refusal.ThrowsAsync(StatusCode.InvalidArgument, "update.length", () => sites[0].AnswerAsync(offers[0], new byte[4096]));
        Session[] parties = [.. sites.Select((site, i) => new Session(site.Name, _keys[i], run.Plan, offers[i].Exchange))];
        for (int i = 0; i < sites.Length; i++) await sites[i].AnswerAsync(offers[i], parties[i].Advertise());
        offers = [.. await Task.WhenAll(sites.Select(site => site.TaskAsync()))];
        Assert.All(offers, offer => Assert.Equal(ExchangeStage.Share, offer.Exchange.Stage));
        Assert.Equal(["c0", "c1", "c2"], offers[0].Exchange.Identities.Select(identity => identity.Site));
        Assert.Equal(_keys.Select(key => ByteString.CopyFrom(key.PublicKey.Span)), offers[1].Exchange.Identities.Select(identity => identity.Key));
        Assert.Empty(offers[2].Exchange.Identities);
        foreach (Session party in parties) party.Dispose();
    }

    private async Task<(TestSite[] Sites, SmallRun Run)> BeginAsync(TestAggregator aggregator, Func<string, string> rosterOf)
    {
        var sites = new TestSite[_keys.Length];
        for (int i = 0; i < sites.Length; i++)
        {
            sites[i] = await aggregator.AddSiteAsync($"c{i}");
            await sites[i].JoinAsync(ByteString.CopyFrom(_keys[i].PublicKey.Span), rosterOf(sites[i].Name));
        }

        SmallRun run = Secure();
        await aggregator.CreateRunAsync("run", run, sites);
        return (sites, run);
    }

    private RosterSettings Pin(params (string Site, ByteString Key)[] sites)
    {
        var roster = Roster.Sign("clinics", 1, sites.Select(site => KeyValuePair.Create(site.Site, site.Key.ToByteArray())), _root);
        string file = _folder["roster.json"];
        File.WriteAllBytes(file, roster.ToFile());
        return new RosterSettings { File = file, RootKey = Convert.ToBase64String(_root.PublicKey.Span) };
    }

    private static SmallRun Secure() => new(reports: 3, weightBy: "uniform", isSecure: true);

    private static ByteString Key()
    {
        using ISigningKey key = SecureAggregationSuites.Default.CreateSigningKey();
        return ByteString.CopyFrom(key.PublicKey.Span);
    }

    /// <summary>A site's side of a session.</summary>
    private sealed class Session(string name, ISigningKey key, Rounds.RunPlan plan, ExchangeWork work) : ISiteIdentities, IDisposable
    {
        private ClientSession? _session;

        public bool ArePinned => true;

        public bool TryFind(string site, out ReadOnlyMemory<byte> publicKey)
        {
            publicKey = key.PublicKey;
            return true;
        }

        public byte[] Advertise()
        {
            var terms = SessionTerms.Decode(work.Terms.Span);
            _session = new ClientSession(
                terms,
                new ClientParty(name, key, this, new ClientLimits(), new SessionHistory()),
                new SessionExpectation(plan.Hash, terms.Purpose, terms.Round, plan.RingFor(terms.Purpose, terms.Invited).Encoding.Digest(), terms.Assignment));
            return _session.Advertise();
        }

        public void Dispose() => _session?.Dispose();
    }
}
