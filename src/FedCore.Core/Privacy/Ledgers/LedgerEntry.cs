using System.Text.Json.Serialization;
using FedCore.Privacy.Accounting;
using FedCore.Privacy.Accounting.Events;

namespace FedCore.Privacy.Ledgers;

/// <summary>
/// What a ledger keeps of one use of somebody's data: the event as it was, and not an epsilon, so that a better accountant can be applied later. It is written before the use begins, and stays
/// whatever becomes of it.
/// </summary>
public sealed record LedgerEntry
{
    /// <summary>Its number in the ledger, from 1.</summary>
    public long Number { get; init; }

    /// <summary>When it was written.</summary>
    public required DateTimeOffset At { get; init; }

    /// <summary>What was written down.</summary>
    public required LedgerEntryKind Kind { get; init; }

    /// <summary>The run, as its coordinator named it.</summary>
    public required string Run { get; init; }

    /// <summary>The hash of the run's definition.</summary>
    public required string Hash { get; init; }

    /// <summary>The round, from 1.</summary>
    public required int Round { get; init; }

    /// <summary>What is done with the data: the digest of what a site was given to do, or a drawing of noise. What has one name is one use, however often it is written down.</summary>
    public required string Use { get; init; }

    /// <summary>Whose data: a name that the site gave them; at an aggregator, of the sites together.</summary>
    public required string Source { get; init; }

    /// <summary>Whose contribution is hidden.</summary>
    public required PrivacyUnit Unit { get; init; }

    /// <summary>Which data sets are neighbours.</summary>
    public required NeighboringRelation Relation { get; init; }

    /// <summary>Against whom.</summary>
    public required PrivacyAdversary Adversary { get; init; }

    /// <summary>What is done, with its noise; null where nothing bounds what is shown.</summary>
    public PrivacyEvent? Event { get; init; }

    /// <summary>At an aggregator: the sites whose data are used; null where nobody shall know which, so that it may be any.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<string>? Clients { get; init; }

    /// <summary>The hash of the entry before it, 64 hexadecimal digits; zeros for the first.</summary>
    public string Previous { get; init; } = LedgerChain.Origin;
}

/// <summary>What an entry of a ledger writes down.</summary>
public enum LedgerEntryKind
{
    /// <summary>Data are going to be used.</summary>
    Reserved,

    /// <summary>A masked input is going to leave; a second one of the same use has noise of its own, and costs again.</summary>
    Masked,
}
