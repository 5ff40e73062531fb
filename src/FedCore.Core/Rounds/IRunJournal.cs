using System.Runtime.CompilerServices;
using FedCore.Models;
using FedCore.Strategies;

namespace FedCore.Rounds;

/// <summary>Where the facts of one run are kept, in order.</summary>
public interface IRunJournal
{
    /// <summary>The facts so far.</summary>
    /// <param name="ct">Cancels the reading.</param>
    /// <returns>The facts, oldest first.</returns>
    IAsyncEnumerable<RunEvent> ReadAsync(CancellationToken ct);

    /// <summary>Adds a fact.</summary>
    /// <param name="fact">The fact.</param>
    /// <param name="ct">Cancels the writing.</param>
    /// <returns>A task that ends when the fact is kept.</returns>
    ValueTask AppendAsync(RunEvent fact, CancellationToken ct);
}

/// <summary>Where the server's state is kept, so that a run can go on.</summary>
public interface ICheckpointStore
{
    /// <summary>
    /// Whether a round counts only with its checkpoint: then there is one of the first model, and one behind every round, which is safe before the round's end is
    /// a fact; that of an abandoned round is the one before it, by its digest. Otherwise there is one whenever it is due.
    /// </summary>
    bool CommitsRounds => false;

    /// <summary>Whether a checkpoint is due behind a round.</summary>
    /// <param name="round">The round.</param>
    /// <returns>True if it is.</returns>
    bool IsDue(int round);

    /// <summary>Keeps the state behind a round; what was kept before may go.</summary>
    /// <param name="round">The round.</param>
    /// <param name="state">The state.</param>
    /// <param name="ct">Cancels the writing.</param>
    /// <returns>The checkpoint's digest.</returns>
    ValueTask<string> SaveAsync(int round, ServerState state, CancellationToken ct);

    /// <summary>Reads a state back.</summary>
    /// <param name="saved">The fact that it was kept.</param>
    /// <param name="state">Receives the values.</param>
    /// <param name="ct">Cancels the reading.</param>
    /// <returns>A task that ends when the state is read.</returns>
    /// <exception cref="FedCoreException">The checkpoint is not there or is not what was kept (<c>run.checkpoint</c>).</exception>
    ValueTask LoadAsync(CheckpointSaved saved, ServerState state, CancellationToken ct);

    /// <summary>Reads the model of an earlier state, from which clients started who are still at work. Only a store with which rounds commit is asked for one.</summary>
    /// <param name="saved">The fact that it was kept.</param>
    /// <param name="ct">Cancels the reading.</param>
    /// <returns>The model, which is the caller's to dispose of.</returns>
    /// <exception cref="FedCoreException">It is not there any more or is not what was kept (<c>run.checkpoint</c>).</exception>
    ValueTask<ModelState> LoadModelAsync(CheckpointSaved saved, CancellationToken ct) => throw new NotSupportedException();
}

/// <summary>A journal that lasts as long as the process.</summary>
public sealed class InMemoryJournal : IRunJournal
{
    private readonly List<RunEvent> _facts = [];

    /// <summary>The facts so far.</summary>
    public IReadOnlyList<RunEvent> Facts => _facts;

    /// <inheritdoc/>
    public async IAsyncEnumerable<RunEvent> ReadAsync([EnumeratorCancellation] CancellationToken ct)
    {
        await Task.CompletedTask.ConfigureAwait(false);
        foreach (RunEvent fact in _facts.ToArray())
        {
            ct.ThrowIfCancellationRequested();
            yield return fact;
        }
    }

    /// <inheritdoc/>
    public ValueTask AppendAsync(RunEvent fact, CancellationToken ct)
    {
        _facts.Add(fact);
        return ValueTask.CompletedTask;
    }
}

/// <summary>A journal that keeps nothing, for a run that nobody will resume.</summary>
public sealed class NoJournal : IRunJournal
{
    /// <inheritdoc/>
    public async IAsyncEnumerable<RunEvent> ReadAsync([EnumeratorCancellation] CancellationToken ct)
    {
        await Task.CompletedTask.ConfigureAwait(false);
        yield break;
    }

    /// <inheritdoc/>
    public ValueTask AppendAsync(RunEvent fact, CancellationToken ct) => ValueTask.CompletedTask;
}
