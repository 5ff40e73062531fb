using FedCore.Privacy.Accounting.Events;
using FedCore.Privacy.Accounting.Pld;
using FedCore.Privacy.Accounting.Rdp;

namespace FedCore.Privacy.Accounting;

/// <summary>
/// Adds up what events cost: for a delta, the smallest epsilon that it can show so that all of them together are (epsilon, delta)-differentially private, against an adversary who
/// sees all their results and may have chosen each by those before it. Both are upper bounds; another accountant may show a lower one of the same events.
/// </summary>
/// <param name="relation">Which data sets are neighbours.</param>
public abstract class PrivacyAccountant(NeighboringRelation relation)
{
    private readonly Dictionary<PrivacyEvent, long> _events = [];

    /// <summary>Which data sets are neighbours.</summary>
    public NeighboringRelation Relation { get; } = relation;

    /// <summary>What was recorded: events that are not repeated, and how often each was.</summary>
    public IReadOnlyDictionary<PrivacyEvent, long> Events => _events;

    /// <summary>Makes an accountant.</summary>
    /// <param name="kind">Which one.</param>
    /// <param name="relation">Which data sets are neighbours.</param>
    /// <returns>The accountant, without events.</returns>
    public static PrivacyAccountant Create(AccountantKind kind, NeighboringRelation relation = NeighboringRelation.ZeroOut) =>
        kind == AccountantKind.Rdp ? new RdpAccountant(relation) : new PldAccountant(relation);

    /// <summary>Whether it has a bound for an event under its relation.</summary>
    /// <param name="happened">The event.</param>
    /// <returns>True if <see cref="Record"/> takes it.</returns>
    public bool Supports(PrivacyEvent happened)
    {
        ArgumentNullException.ThrowIfNull(happened);
        while (happened is RepeatedEvent repeated) happened = repeated.Mechanism;
        return FaultIn(happened) is null;
    }

    /// <summary>Records an event.</summary>
    /// <param name="happened">What was done.</param>
    /// <param name="count">How often, at least 0, each time with noise of its own.</param>
    /// <exception cref="NotSupportedException">This accountant has no bound for the event under its relation; the message says which has.</exception>
    public void Record(PrivacyEvent happened, long count = 1)
    {
        ArgumentNullException.ThrowIfNull(happened);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        while (happened is RepeatedEvent repeated) (happened, count) = (repeated.Mechanism, checked(count * repeated.Count));
        if (FaultIn(happened) is { } fault) throw new NotSupportedException(fault);
        if (count > 0 && !IsNothing(happened)) _events[happened] = checked(_events.GetValueOrDefault(happened) + count);
    }

    /// <summary>The epsilon of everything that was recorded.</summary>
    /// <param name="delta">The delta, above 0 and below 1.</param>
    /// <returns>Epsilon, at least 0; infinite where no bound can be shown.</returns>
    public double Epsilon(double delta)
    {
        if (!(delta is > 0 and < 1)) throw new ArgumentOutOfRangeException(nameof(delta), delta, "It must be above 0 and below 1.");
        return _events.Count == 0 ? 0 : EpsilonOf(delta);
    }

    /// <summary>The delta of everything that was recorded.</summary>
    /// <param name="epsilon">The epsilon, at least 0.</param>
    /// <returns>Delta, from 0 to 1.</returns>
    public double Delta(double epsilon)
    {
        if (!(epsilon >= 0)) throw new ArgumentOutOfRangeException(nameof(epsilon), epsilon, "It must be at least 0.");
        return _events.Count == 0 ? 0 : DeltaOf(epsilon);
    }

    /// <summary>Why there is no bound for an event; null where there is one.</summary>
    private protected abstract string? FaultIn(PrivacyEvent happened);

    private protected abstract double EpsilonOf(double delta);

    private protected abstract double DeltaOf(double epsilon);

    /// <summary>What Euclidean sensitivities are multiplied with under the relation: a sum in which a contribution is exchanged changes by up to twice its clip.</summary>
    private protected double SensitivityFactor => Relation == NeighboringRelation.ReplaceOne ? 2 : 1;

    private static bool IsNothing(PrivacyEvent happened) => happened is PoissonSampledEvent { SamplingRate: 0 } or FixedSizeSampledEvent { Sample: 0 };
}
