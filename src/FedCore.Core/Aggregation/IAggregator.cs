using FedCore.Numerics;
using FedCore.Updates;

namespace FedCore.Aggregation;

/// <summary>How the updates of a round become the sum that a strategy works on. Registered by name; public properties are its parameters.</summary>
public interface IAggregator
{
    /// <summary>Sums updates.</summary>
    /// <param name="layout">The sections that every update has.</param>
    /// <param name="updates">The updates in cohort order: the sum's bits depend on this order and on nothing else.</param>
    /// <param name="resources">Threads and memory.</param>
    /// <param name="ct">Cancels the work.</param>
    /// <returns>The sum and what had to be left out; the caller returns the sum's vector to the pool.</returns>
    ValueTask<AggregationResult> AggregateAsync(
        UpdateLayout layout, IReadOnlyList<IUpdateSource> updates, AggregationResources resources, CancellationToken ct);
}

/// <summary>The sum of a round.</summary>
/// <param name="Sum">What was summed.</param>
/// <param name="Refused">The updates that could not be used: their index in cohort order and the reason.</param>
public sealed record AggregationResult(UpdateSum Sum, IReadOnlyList<(int Index, UpdateRefusedException Reason)> Refused);

/// <summary>What an aggregator may use.</summary>
/// <param name="threads">How many threads may work at once, at least 1.</param>
/// <param name="pool">Where it rents vectors.</param>
public sealed class AggregationResources(int threads, FlatVectorPool pool) : IDisposable
{
    private readonly WorkerTeam _team = new(threads);

    /// <summary>How many threads may work at once.</summary>
    public int Threads => threads;

    /// <summary>Where vectors are rented.</summary>
    public FlatVectorPool Pool => pool;

    /// <summary>How many bytes of partial sums may wait for others, 0 or more; two per thread may wait in any case.</summary>
    public long PartialSumBytes { get; init; } = 64 << 20;

    /// <summary>Starts the same work on several threads, the caller's among them, and waits for all. For one caller at a time.</summary>
    /// <param name="workers">On how many, at most <see cref="Threads"/>.</param>
    /// <param name="work">The work; each thread starts it once.</param>
    /// <returns>Completes when all have, with a fault if there was one; where a fault made others cancel, with the fault.</returns>
    public Task RunAsync(int workers, Func<Task> work) => _team.RunAsync(workers, work);

    /// <summary>Ends the threads.</summary>
    public void Dispose() => _team.Dispose();
}
