using FedCore.Numerics;
using FedCore.Rounds;
using FedCore.Updates;

namespace FedCore.Aggregation;

/// <summary>How the updates of a round become the sum that a strategy works on. Registered by name; public properties are its parameters.</summary>
public interface IAggregator
{
    /// <summary>What it must know of single clients.</summary>
    IReadOnlyList<Disclosure> Disclosures => [];

    /// <summary>The rule for a round that wants a number of reports: what it withstands follows from this number, not from how many come.</summary>
    /// <param name="wanted">The number.</param>
    /// <returns>The rule itself, or one with the number.</returns>
    IAggregator For(int wanted) => this;

    /// <summary>How many updates of a round may turn out to be no updates at all, such as not finite, without the round being lost.</summary>
    /// <param name="wanted">How many reports the round wants.</param>
    /// <returns>The number.</returns>
    int ToleratedOf(int wanted) => 0;

    /// <summary>Says why it cannot be used for a number of updates.</summary>
    /// <param name="layout">The sections that every update has.</param>
    /// <param name="updates">How many updates there are.</param>
    /// <param name="refused">How many more came that are no updates; a rule counts them among those that it withstands.</param>
    /// <returns>A sentence that goes behind the rule's name, without its end; null where it can.</returns>
    string? FaultFor(UpdateLayout layout, int updates, int refused = 0) => null;

    /// <summary>Sums updates.</summary>
    /// <param name="layout">The sections that every update has.</param>
    /// <param name="updates">The updates in cohort order: the sum's bits depend on this order and on nothing else.</param>
    /// <param name="resources">Threads and memory.</param>
    /// <param name="ct">Cancels the work.</param>
    /// <returns>
    /// The sum and what had to be left out; the caller returns the sum's vector to the pool. Where so many are left out that <see cref="FaultFor"/> has an answer for the
    /// rest, the sum weighs nothing.
    /// </returns>
    ValueTask<AggregationResult> AggregateAsync(
        UpdateLayout layout, IReadOnlyList<IUpdateSource> updates, AggregationResources resources, CancellationToken ct);
}

/// <summary>The sum of a round.</summary>
/// <param name="Sum">What was summed.</param>
/// <param name="Refused">The updates that could not be used: their index in cohort order and the reason.</param>
public sealed record AggregationResult(UpdateSum Sum, IReadOnlyList<(int Index, UpdateRefusedException Reason)> Refused)
{
    /// <summary>The updates that the rule did not choose, and of which nothing is in the sum: their index in cohort order.</summary>
    public IReadOnlyList<int> Discarded { get; init; } = [];
}

/// <summary>What an aggregator may use.</summary>
/// <param name="threads">How many threads may work at once, at least 1.</param>
/// <param name="pool">Where it rents vectors.</param>
public sealed class AggregationResources(int threads, FlatVectorPool pool) : IDisposable
{
    internal const long DefaultPartialSumBytes = 64 << 20;

    private readonly WorkerTeam _team = new(threads);

    /// <summary>How many threads may work at once.</summary>
    public int Threads => threads;

    /// <summary>Where vectors are rented.</summary>
    public FlatVectorPool Pool => pool;

    /// <summary>How many bytes of partial sums may wait for others, 0 or more; two per thread may wait in any case, of vectors of 256 MiB and more none but those in work.</summary>
    public long PartialSumBytes { get; init; } = DefaultPartialSumBytes;

    /// <summary>From how many bytes on a partial sum is too large to wait for others.</summary>
    internal long LargeSumBytes { get; init; } = 256 << 20;

    /// <summary>Starts the same work on several threads, the caller's among them, and waits for all. For one caller at a time.</summary>
    /// <param name="workers">On how many, at most <see cref="Threads"/>.</param>
    /// <param name="work">The work; each thread starts it once.</param>
    /// <returns>Completes when all have, with a fault if there was one; where a fault made others cancel, with the fault.</returns>
    public Task RunAsync(int workers, Func<Task> work) => _team.RunAsync(workers, work);

    /// <summary>Ends the threads.</summary>
    public void Dispose() => _team.Dispose();
}
