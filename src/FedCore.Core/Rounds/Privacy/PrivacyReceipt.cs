using System.Text.Json.Serialization;
using FedCore.Privacy;
using FedCore.Privacy.Accounting;
using FedCore.Privacy.Accounting.Events;

namespace FedCore.Rounds.Privacy;

/// <summary>What a receipt says of a round's promise, and of what the run has spent with it.</summary>
public sealed record PrivacyReceipt
{
    /// <summary>Whose contribution is hidden.</summary>
    public required PrivacyUnit Unit { get; init; }

    /// <summary>Which data sets are neighbours.</summary>
    public required NeighboringRelation Relation { get; init; }

    /// <summary>Who added the noise.</summary>
    public required PrivacyMechanism Mechanism { get; init; }

    /// <summary>The largest norm of one contribution.</summary>
    public required double Clip { get; init; }

    /// <summary>The clip of the next round; null where the clip does not adapt, and of a round that does not count.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? NextClip { get; init; }

    /// <summary>Standard deviation of the noise in the sum over what one contribution changes of it.</summary>
    public required double NoiseMultiplier { get; init; }

    /// <summary>The delta of the epsilons.</summary>
    public required double Delta { get; init; }

    /// <summary>The noise as it was reserved, so that it can be accounted for again.</summary>
    public required PrivacyEvent Noise { get; init; }

    /// <summary>What all rounds so far cost, against each adversary.</summary>
    public required IReadOnlyList<PrivacySpent> Spent { get; init; }
}

/// <summary>An epsilon, against whom, and what it rests on.</summary>
/// <param name="Adversary">Against whom.</param>
/// <param name="Epsilon">At most this; null where nothing bounds it.</param>
/// <param name="Accountant">Who shows it.</param>
/// <param name="RestsOn">What must be so, in a sentence.</param>
[method: JsonConstructor]
public sealed record PrivacySpent(PrivacyAdversary Adversary, double? Epsilon, AccountantKind? Accountant, string RestsOn);
