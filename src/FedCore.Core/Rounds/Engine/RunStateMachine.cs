namespace FedCore.Rounds.Engine;

/// <summary>What comes next in a run. It follows from where the run stands alone.</summary>
internal sealed class RunStateMachine(ActiveRun run, IRoundMode mode, RoundCompletion completion, FederatedEvaluation evaluation, RunEnding ending)
{
    /// <summary>Makes one transition.</summary>
    public ValueTask StepAsync(CancellationToken ct) => run.State switch
    {
        { OpenRound: null } when EvaluationIsDue() => evaluation.EvaluateAsync(ct),
        { OpenRound: null } when CheckpointIsDue() => SaveCheckpointAsync(ct),
        { OpenRound: null } when ending.DueBy(run.State) is { } end => run.RecordAsync(end, ct),
        { OpenRound: null } => mode.OpenAsync(run.State.LastRound + 1, ct),
        { Closed: null } => mode.CollectAsync(ct),
        _ => completion.CompleteAsync(ct),
    };

    private bool EvaluationIsDue()
    {
        int round = run.State.LastRound;
        if (!run.Plan.IsEvaluated(round)) return false;
        return run.State.Evaluations is not [.., var last] || (last.Round < round && !IsSummedAlready(last));
    }

    // Two secure sums over the same model's metrics, one with a client and one without, would show that client's.
    private bool IsSummedAlready(EvaluationReceipt last) => last.SecureAggregation is not null && !run.State.Rounds.Skip(last.Round).Any(round => round.Committed);

    private bool CheckpointIsDue()
    {
        (int round, CheckpointSaved? last) = (run.State.LastRound, run.State.Checkpoint);
        return run.Options.Checkpoints is { } store
            && (store.CommitsRounds ? last is null : round > 0 && (last?.Round ?? 0) < round && (ending.DueBy(run.State) is not null || store.IsDue(round)));
    }

    private async ValueTask SaveCheckpointAsync(CancellationToken ct)
    {
        int round = run.State.LastRound;
        string digest = await run.Options.Checkpoints!.SaveAsync(round, run.Server, ct).ConfigureAwait(false);
        await run.RecordAsync(new CheckpointSaved(round, digest), ct).ConfigureAwait(false);
    }
}
