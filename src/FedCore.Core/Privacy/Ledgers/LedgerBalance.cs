using FedCore.Privacy.Accounting;
using FedCore.Privacy.Accounting.Events;

namespace FedCore.Privacy.Ledgers;

/// <summary>What the entries of a ledger come to.</summary>
public sealed class LedgerBalance
{
    private readonly Dictionary<PrivacyEvent, long> _events = [];
    private readonly PrivacyUnit _unit;
    private NeighboringRelation _relation = NeighboringRelation.ZeroOut;
    private bool _isMixed;

    private LedgerBalance(PrivacyUnit unit) => _unit = unit;

    /// <summary>How many uses of the data there were, as they are paid for, whatever was hidden.</summary>
    public long Uses { get; private set; }

    /// <summary>How many of them nothing bounds.</summary>
    public long Unbounded { get; private set; }

    /// <summary>
    /// Adds up the uses of some data. A use was reserved once; where several masked inputs left for it, each but the first costs again. Each unit has an account of its own. What hides a whole client
    /// hides an example of it as a part that is exchanged, which costs as twice the sensitivity; what hides examples says nothing about a client, and is counted in its account without a cost.
    /// </summary>
    /// <param name="entries">The entries of a ledger, oldest first.</param>
    /// <param name="source">Whose data.</param>
    /// <param name="unit">What is hidden.</param>
    /// <returns>The balance.</returns>
    public static LedgerBalance Of(IEnumerable<LedgerEntry> entries, string source, PrivacyUnit unit)
    {
        ArgumentNullException.ThrowIfNull(entries);
        var balance = new LedgerBalance(unit);
        HashSet<string> reserved = [];
        foreach (LedgerEntry entry in entries)
        {
            if (entry.Source != source) continue;
            if (entry.Kind == LedgerEntryKind.Reserved) reserved.Add(entry.Use);
            else if (reserved.Remove(entry.Use)) continue;
            balance.Add(entry);
        }

        return balance;
    }

    /// <summary>The site on which most is spent, if each of some were in more uses.</summary>
    /// <param name="entries">The entries of an aggregator's ledger, oldest first.</param>
    /// <param name="source">Whose data.</param>
    /// <param name="unit">What is hidden.</param>
    /// <param name="sites">The sites.</param>
    /// <param name="relation">Which data sets are neighbours in the further uses.</param>
    /// <param name="costs">What they cost.</param>
    /// <param name="delta">The delta.</param>
    /// <returns>The site, and its epsilon.</returns>
    public static (string Site, double Epsilon) Largest(IReadOnlyList<LedgerEntry> entries, string source, PrivacyUnit unit, IReadOnlyList<string> sites, NeighboringRelation relation, IReadOnlyList<PrivacyEvent> costs, double delta)
    {
        ArgumentNullException.ThrowIfNull(sites);
        Dictionary<string, LedgerBalance> balances = sites.ToDictionary(site => site, _ => new LedgerBalance(unit), StringComparer.Ordinal);
        foreach (LedgerEntry entry in entries.Where(entry => entry.Source == source))
        {
            if (entry.Clients is null) foreach (LedgerBalance balance in balances.Values) balance.Add(entry);
            else foreach (string client in entry.Clients) balances.GetValueOrDefault(client)?.Add(entry);
        }

        // Most sites have spent the same.
        Dictionary<string, double> known = [];
        (string Site, double Epsilon) largest = ("", 0);
        foreach ((string site, LedgerBalance balance) in balances)
        {
            balance.Take(relation);
            foreach (PrivacyEvent cost in costs) balance.Add(cost, 1);
            string key = string.Join(';', balance._events.Select(use => $"{use.Key} x {use.Value}").Order(StringComparer.Ordinal).Append($"{balance.Unbounded} {balance._relation} {balance._isMixed}"));
            if (!known.TryGetValue(key, out double epsilon)) known[key] = epsilon = balance.Epsilon(delta);
            if (epsilon > largest.Epsilon) largest = (site, epsilon);
        }

        return largest;
    }

    /// <summary>
    /// The epsilon of all uses together, by Renyi divergences, which bound every mechanism, and where sites hid their examples by themselves by the loss distribution too, whichever shows less; under
    /// the stricter relation where there are both.
    /// </summary>
    /// <param name="delta">The delta.</param>
    /// <returns>Epsilon; infinite where a use has no bound.</returns>
    public double Epsilon(double delta)
    {
        if (Unbounded > 0) return double.PositiveInfinity;
        double epsilon = EpsilonBy(AccountantKind.Rdp, delta);
        return _unit == PrivacyUnit.Example && !_isMixed ? Math.Min(epsilon, EpsilonBy(AccountantKind.Pld, delta)) : epsilon;
    }

    private double EpsilonBy(AccountantKind kind, double delta)
    {
        PrivacyAccountant accountant = PrivacyAccountant.Create(kind, _relation);
        foreach ((PrivacyEvent cost, long count) in _events)
        {
            if (!accountant.Supports(cost)) return double.PositiveInfinity;
            accountant.Record(cost, count);
        }

        return accountant.Epsilon(delta);
    }

    private void Add(LedgerEntry entry)
    {
        if (entry.Unit == PrivacyUnit.Example && _unit == PrivacyUnit.Client && entry.Event is not null)
        {
            Uses++;
            return;
        }

        Take(entry.Relation);
        if (entry.Unit == _unit || entry.Event is null)
        {
            Add(entry.Event, 1);
            return;
        }

        _isMixed = true;
        Add(OfPart(entry.Event), 1);
    }

    private void Take(NeighboringRelation relation)
    {
        if (relation == NeighboringRelation.ReplaceOne) _relation = NeighboringRelation.ReplaceOne;
    }

    // A contribution of which a part is missing may be anywhere within the clip: it moves by up to twice the clip. That it may not have been there at all is left out.
    private static PrivacyEvent? OfPart(PrivacyEvent cost) => cost switch
    {
        RepeatedEvent repeated => OfPart(repeated.Mechanism)?.Times(repeated.Count),
        PoissonSampledEvent sampled => OfPart(sampled.Mechanism),
        FixedSizeSampledEvent sampled => OfPart(sampled.Mechanism),
        GaussianEvent gaussian => new GaussianEvent(gaussian.NoiseMultiplier / 2),
        TreeAggregationEvent tree => tree with { NoiseMultiplier = tree.NoiseMultiplier / 2 },
        DiscreteGaussianEvent discrete => discrete with { Sensitivity = 2 * discrete.Sensitivity },
        DistributedDiscreteGaussianEvent shared => shared with { Sensitivity = 2 * shared.Sensitivity },
        _ => null,
    };

    private void Add(PrivacyEvent? cost, long count)
    {
        if (count == 0) return;
        Uses += count;
        if (cost is null) Unbounded += count;
        else _events[cost] = _events.GetValueOrDefault(cost) + count;
    }
}
