using FedCore.Strategies;

namespace FedCore.Rounds.Engine;

/// <summary>A run that an engine is holding, as its parts share it. Where the run stands changes by facts alone, and each is in the journal before it counts.</summary>
internal sealed class ActiveRun(RunPlan plan, IFleet fleet, ServerState server, IRunJournal journal, RoundEngineOptions options, RunState state)
{
    public RunPlan Plan => plan;

    public IFleet Fleet => fleet;

    /// <summary>The global model, and what the strategy keeps beside it.</summary>
    public ServerState Server => server;

    public RoundEngineOptions Options => options;

    public RunState State => state;

    public RoundNoise Noise => field ??= new RoundNoise(this);

    public RoundPolicy Policy => plan.Definition.Rounds;

    public bool IsBuffered => Policy.Buffer is not null;

    public DateTimeOffset Now => options.Clock.GetUtcNow();

    /// <summary>Folds what the journal already holds.</summary>
    public async ValueTask ReplayAsync(CancellationToken ct)
    {
        await foreach (RunEvent fact in journal.ReadAsync(ct).ConfigureAwait(false)) state.Apply(fact);
    }

    public async ValueTask RecordAsync(RunEvent fact, CancellationToken ct)
    {
        await journal.AppendAsync(fact, ct).ConfigureAwait(false);
        state.Apply(fact);
        options.Progress?.Report(fact);
    }
}
