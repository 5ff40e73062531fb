using FedCore.Privacy;
using FedCore.Privacy.Accounting;
using FedCore.Privacy.Accounting.Events;
using FedCore.Privacy.Accounting.Pld;
using FedCore.Privacy.Accounting.Rdp;
using FedCore.Privacy.Ledgers;

namespace FedCore.Core.Tests.Privacy.Ledgers;

public class LedgerChainTests
{
    internal static LedgerEntry Entry(string use = "a", PrivacyEvent? cost = null, LedgerEntryKind kind = LedgerEntryKind.Reserved, string source = "data", IReadOnlyList<string>? clients = null) => new()
    {
        Number = 1,
        At = new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero),
        Kind = kind,
        Run = "run",
        Hash = "sha256:00",
        Round = 3,
        Use = use,
        Source = source,
        Unit = PrivacyUnit.Client,
        Relation = NeighboringRelation.ZeroOut,
        Adversary = PrivacyAdversary.Aggregator,
        Event = cost,
        Clients = clients,
    };

    [Fact]
    public void An_entry_comes_back_as_it_was()
    {
        LedgerEntry entry = Entry(cost: new PoissonSampledEvent(0.1, new DiscreteGaussianEvent(100, 50, 7)), clients: ["a", "b"]);
        (string line, string hash) = LedgerChain.Seal(entry);
        (LedgerEntry read, string same) = LedgerChain.Open(line, 1, LedgerChain.Origin, "ledger.jsonl");
        Assert.Equal(entry with { Clients = null }, read with { Clients = null });
        Assert.Equal(entry.Clients, read.Clients);
        Assert.Equal(hash, same);
        Assert.Matches("^[0-9a-f]{64}$", hash);
    }

    [Fact]
    public void Every_changed_character_breaks_the_chain()
    {
        (string line, _) = LedgerChain.Seal(Entry(cost: new GaussianEvent(1.5)));
        for (int i = 0; i < line.Length; i++)
        {
            string changed = line[..i] + (line[i] == '7' ? '8' : '7') + line[(i + 1)..];
            Assert.Equal("privacy.ledger", Assert.Throws<FedCoreException>(() => LedgerChain.Open(changed, 1, LedgerChain.Origin, "ledger.jsonl")).Code);
        }
    }

    [Fact]
    public void An_entry_in_another_place_breaks_the_chain()
    {
        (string line, string hash) = LedgerChain.Seal(Entry());
        Assert.Contains("does not follow", Assert.Throws<FedCoreException>(() => LedgerChain.Open(line, 1, hash, "ledger.jsonl")).Message, StringComparison.Ordinal);
        Assert.Contains("has the number 1", Assert.Throws<FedCoreException>(() => LedgerChain.Open(line, 2, LedgerChain.Origin, "ledger.jsonl")).Message, StringComparison.Ordinal);
    }

    // A first masked input is what was reserved; each further one has noise of its own.
    [Fact]
    public void A_second_masked_input_costs_again()
    {
        var cost = new GaussianEvent(2);
        LedgerEntry[] entries = [Entry("a", cost), Entry("a", cost, LedgerEntryKind.Masked), Entry("b", cost), Entry("b", cost, LedgerEntryKind.Masked), Entry("b", cost, LedgerEntryKind.Masked), Entry("c", cost, source: "other")];
        LedgerBalance balance = LedgerBalance.Of(entries, "data", PrivacyUnit.Client);
        var accountant = new RdpAccountant();
        accountant.Record(cost, 3);
        Assert.Equal(3, balance.Uses);
        Assert.Equal(accountant.Epsilon(1e-5), balance.Epsilon(1e-5));
    }

    [Fact]
    public void A_masked_input_that_nothing_was_reserved_for_costs_too() =>
        Assert.Equal(1, LedgerBalance.Of([Entry("a", new GaussianEvent(2), LedgerEntryKind.Masked)], "data", PrivacyUnit.Client).Uses);

    [Fact]
    public void A_use_that_nothing_bounds_has_no_epsilon()
    {
        LedgerBalance balance = LedgerBalance.Of([Entry("a", new GaussianEvent(2)), Entry("b")], "data", PrivacyUnit.Client);
        Assert.Equal((2, 1, double.PositiveInfinity), (balance.Uses, balance.Unbounded, balance.Epsilon(1e-5)));
    }

    // What hides examples bounds nothing of a client; what hides a client hides each example half as well; what nothing bounds shows both.
    [Fact]
    public void Each_unit_has_an_account_of_its_own()
    {
        PrivacyEvent steps = new PoissonSampledEvent(0.1, new GaussianEvent(1)).Times(20);
        LedgerEntry[] entries = [Entry("a", new GaussianEvent(2)), Entry("b", steps) with { Unit = PrivacyUnit.Example }, Entry("b", steps) with { Unit = PrivacyUnit.Example }];
        RdpAccountant examples = new(), clients = new();
        examples.Record(steps, 2);

        // A client without one of its examples may be anywhere within the clip.
        examples.Record(new GaussianEvent(1));
        clients.Record(new GaussianEvent(2));
        LedgerBalance ofExamples = LedgerBalance.Of(entries, "data", PrivacyUnit.Example), ofClients = LedgerBalance.Of(entries, "data", PrivacyUnit.Client);
        Assert.Equal((3, examples.Epsilon(1e-5)), (ofExamples.Uses, ofExamples.Epsilon(1e-5)));
        Assert.Equal((3, clients.Epsilon(1e-5)), (ofClients.Uses, ofClients.Epsilon(1e-5)));
        Assert.Equal(double.PositiveInfinity, LedgerBalance.Of(entries.Append(Entry("c")), "data", PrivacyUnit.Example).Epsilon(1e-5));
    }

    [Fact]
    public void Where_examples_alone_were_hidden_the_tighter_accountant_counts()
    {
        PrivacyEvent steps = new PoissonSampledEvent(0.1, new GaussianEvent(1)).Times(20);
        var tighter = new PldAccountant();
        tighter.Record(steps);
        Assert.Equal(tighter.Epsilon(1e-5), LedgerBalance.Of([Entry("a", steps) with { Unit = PrivacyUnit.Example }], "data", PrivacyUnit.Example).Epsilon(1e-5));
    }

    [Fact]
    public void What_is_going_to_be_spent_is_reckoned_under_its_own_relation()
    {
        var exchanged = new RdpAccountant(NeighboringRelation.ReplaceOne);
        exchanged.Record(new GaussianEvent(1));
        Assert.Equal(exchanged.Epsilon(1e-5), LedgerBalance.Largest([], "data", PrivacyUnit.Client, ["x"], NeighboringRelation.ReplaceOne, [new GaussianEvent(1)], 1e-5).Epsilon);
    }

    // Both were in one use of the same kind; what is exchanged costs more than what is left out.
    [Theory]
    [InlineData("x", "y")]
    [InlineData("y", "x")]
    public void Sites_with_the_same_uses_under_other_relations_are_reckoned_each_under_its_own(string first, string second)
    {
        var cost = new GaussianEvent(2);
        LedgerEntry[] entries = [Entry("a", cost, clients: ["x"]), Entry("b", cost, clients: ["y"]) with { Relation = NeighboringRelation.ReplaceOne }];
        (string site, double epsilon) = LedgerBalance.Largest(entries, "data", PrivacyUnit.Client, [first, second], NeighboringRelation.ZeroOut, [cost], 1e-5);
        var exchanged = new RdpAccountant(NeighboringRelation.ReplaceOne);
        exchanged.Record(cost, 2);
        Assert.Equal(("y", exchanged.Epsilon(1e-5)), (site, epsilon));
    }

    [Fact]
    public void Most_is_spent_on_the_site_that_was_in_most()
    {
        var cost = new GaussianEvent(2);
        LedgerEntry[] entries = [Entry("a", cost, clients: ["x", "y"]), Entry("b", cost, clients: ["y"]), Entry("c", cost)];
        (string site, double epsilon) = LedgerBalance.Largest(entries, "data", PrivacyUnit.Client, ["x", "y", "z"], NeighboringRelation.ZeroOut, [cost.Times(2)], 1e-5);
        var accountant = new RdpAccountant();
        accountant.Record(cost, 5);
        Assert.Equal(("y", accountant.Epsilon(1e-5)), (site, epsilon));
    }
}
