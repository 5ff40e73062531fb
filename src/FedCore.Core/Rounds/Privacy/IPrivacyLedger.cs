using FedCore.Privacy.Accounting.Events;

namespace FedCore.Rounds.Privacy;

/// <summary>An account of what all runs together show of the clients' data, which outlasts them. It is written before what it is about begins.</summary>
public interface IPrivacyLedger
{
    /// <summary>Whether another round of a run may be held.</summary>
    /// <param name="plan">The run.</param>
    /// <param name="costs">What would be reserved for it.</param>
    /// <param name="ct">Cancels the looking.</param>
    /// <returns>Null if it may; otherwise why not, in a sentence.</returns>
    ValueTask<string?> RefusalAsync(RunPlan plan, IReadOnlyList<PrivacyEvent> costs, CancellationToken ct);

    /// <summary>Reserves what a round costs. When the call returns it is safe on the disk.</summary>
    /// <param name="plan">The run.</param>
    /// <param name="reserved">The round and its noise.</param>
    /// <param name="cost">What is done, against the adversary whom the run is about.</param>
    /// <param name="clients">Who may be in the sum; null where nobody shall know who is.</param>
    /// <param name="ct">Cancels the writing.</param>
    /// <exception cref="FedCoreException">It would go past a budget (<c>privacy.budget</c>), or the ledger is broken (<c>privacy.ledger</c>).</exception>
    ValueTask ReserveAsync(RunPlan plan, PrivacyReserved reserved, PrivacyEvent cost, IReadOnlyList<string>? clients, CancellationToken ct);
}
