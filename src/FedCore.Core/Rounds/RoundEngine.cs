using FedCore.Aggregation;
using FedCore.Rounds.Engine;
using FedCore.Strategies;

namespace FedCore.Rounds;

/// <summary>
/// Runs a federated run, round by round, over any fleet. It is event-sourced: every step first appends a fact to the journal, the state is the fold of
/// the facts, and what happens next follows from the state alone. So a run goes on from its journal and last checkpoint as if nothing had happened.
/// </summary>
/// <param name="plan">The run.</param>
/// <param name="fleet">The clients.</param>
/// <param name="journal">Where the facts go.</param>
/// <param name="options">Clock, threads, checkpoints, progress.</param>
public sealed class RoundEngine(RunPlan plan, IFleet fleet, IRunJournal journal, RoundEngineOptions options)
{
    /// <summary>Where the run stands.</summary>
    public RunState State { get; } = new();

    /// <summary>Runs to the end, from wherever the journal left off.</summary>
    /// <param name="server">The global model at the run's start; it is moved on to the last checkpoint and then by the rounds.</param>
    /// <param name="ct">Cancels the run between two facts; it can be resumed.</param>
    /// <returns>How the run ended.</returns>
    /// <exception cref="FedCoreException">The run failed: it diverged, or too many rounds in a row were abandoned.</exception>
    public async Task<RunEnded> RunAsync(ServerState server, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(server);
        plan.CheckPopulation(fleet.Clients.Count);
        using var resources = new AggregationResources(options.Threads, options.Pool) { PartialSumBytes = options.PartialSumBytes };
        var run = new ActiveRun(plan, fleet, server, journal, options, State);
        var flights = new Flights(run);
        var tasks = new TaskDispatch(run, flights);
        var replies = new ReplyQueue(fleet);
        var selection = new ClientSelection(run, replies);
        IRoundMode mode = plan.Definition.Rounds.Buffer is { } buffer
            ? new BufferedRounds(run, buffer, selection, replies, tasks, flights)
            : new SynchronousRounds(run, selection, replies, tasks);
        var ending = new RunEnding(plan);
        SecureSum? secure = plan.Definition.SecureAggregation is null ? null : new SecureSum(run, replies, resources);
        var machine = new RunStateMachine(
            run, mode, new RoundCompletion(run, mode, flights, ending, resources, secure), new FederatedEvaluation(run, selection, replies, flights, resources, secure), ending);

        await new RunRecovery(run, tasks, flights).RecoverAsync(ct).ConfigureAwait(false);
        try
        {
            while (State.Ended is null)
            {
                ct.ThrowIfCancellationRequested();
                await machine.StepAsync(ct).ConfigureAwait(false);
            }
        }
        finally
        {
            mode.Leave();
        }

        if (!State.Ended.IsSuccess) throw FedCoreException.RunFailed(State.Ended.Code, State.Ended.Message);
        return State.Ended;
    }
}
