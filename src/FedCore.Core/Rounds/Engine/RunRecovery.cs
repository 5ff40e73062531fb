namespace FedCore.Rounds.Engine;

/// <summary>Takes a run up where an earlier process left it: at its last checkpoint, and in the middle of a round where that is possible.</summary>
internal sealed class RunRecovery(ActiveRun run, TaskDispatch tasks, Flights flights)
{
    /// <summary>Begins the run if the journal is empty, and otherwise brings server and clients to where its facts say that it stands.</summary>
    /// <exception cref="FedCoreException">The journal is of another run (<c>run.changed</c>), or its checkpoint cannot be loaded (<c>run.checkpoint</c>).</exception>
    public async ValueTask RecoverAsync(CancellationToken ct)
    {
        await run.ReplayAsync(ct).ConfigureAwait(false);
        RunState state = run.State;
        if (state.Opened is not { } opened)
        {
            await run.RecordAsync(new RunOpened(run.Plan.Hash, run.Options.Environment, run.Plan.StrategyName), ct).ConfigureAwait(false);
            return;
        }

        CheckUnchanged(opened);
        bool isAtCheckpoint = state.Checkpoint?.Round == state.LastRound;
        if (state.Checkpoint is { } checkpoint) await LoadCheckpointAsync(checkpoint, ct).ConfigureAwait(false);
        if (state.Ended is { IsSuccess: true } && isAtCheckpoint) return;
        if (run.Fleet.KeepsUpdates && state.Ended is null && isAtCheckpoint && await ResumeTasksAsync(ct).ConfigureAwait(false)) return;
        await run.RecordAsync(new RunResumed(state.Checkpoint?.Round ?? 0), ct).ConfigureAwait(false);
    }

    private void CheckUnchanged(RunOpened opened)
    {
        if (opened.Strategy is { } strategy && strategy != run.Plan.StrategyName)
        {
            throw FedCoreException.Configuration(
                "run.changed", $"The run to resume has the strategy {Shown.Of(strategy)}, but its definition now has {run.Plan.StrategyName}. Undo the change, or start a new run.");
        }

        if (opened.Run != run.Plan.Hash)
        {
            throw FedCoreException.Configuration(
                "run.changed", $"The run to resume is {opened.Run}, but its definition is now {run.Plan.Hash}. Undo the change, or start a new run.");
        }

        if (opened.Environment != run.Options.Environment)
        {
            throw FedCoreException.Configuration(
                "run.changed", "The run to resume had other data, other simulated devices or another model to start from. Undo the change, or start a new run.");
        }
    }

    private ValueTask LoadCheckpointAsync(CheckpointSaved checkpoint, CancellationToken ct) =>
        run.Options.Checkpoints?.LoadAsync(checkpoint, run.Server, ct) ?? throw FedCoreException.Configuration(
            "run.checkpoint", $"The run to resume has a checkpoint behind round {checkpoint.Round}, but no checkpoint store was given to load it from.");

    // Takes the open round up where the process left it: the clients' updates that counted are still there, and who owes an answer is asked again.
    private async ValueTask<bool> ResumeTasksAsync(CancellationToken ct)
    {
        if (run.IsBuffered && run.Options.Checkpoints is not { CommitsRounds: true }) return false;
        if (!await RecallAsync(ct).ConfigureAwait(false))
        {
            flights.Clear();
            return false;
        }

        if (run.State is { OpenRound: not null, Closed: null } && !await run.Noise.TryReserveAskingAsync(ct).ConfigureAwait(false)) return true;
        for (int position = 0; position < flights.Count; position++)
        {
            bool isOwed = run.State.OpenRound is null || (run.State.Replies[position] is null && (run.IsBuffered || run.State.Closed is null));
            if (isOwed) await tasks.SendAsync(position, ct).ConfigureAwait(false);
        }

        return true;
    }

    // Makes the tasks again and finds the updates that were replied to them, unless one of these is gone, or a model that clients started from.
    private async ValueTask<bool> RecallAsync(CancellationToken ct)
    {
        var versions = new Dictionary<CheckpointSaved, ModelVersion>();
        try
        {
            foreach (Asking asking in run.State.Askings)
            {
                int position = flights.Count;
                Flight flight = tasks.Prepare(asking, await VersionOfAsync(asking, versions, ct).ConfigureAwait(false));
                if (run.State.OpenRound is null || !run.State.Arrivals.Contains(position)) continue;
                flight.Update = run.Fleet.Recall(flight.Client, flight.Task);
                if (flight.Update is null) return false;
            }

            return true;
        }
        catch (FedCoreException fault) when (fault.Code == "run.checkpoint")
        {
            return false;
        }
        finally
        {
            foreach (ModelVersion version in versions.Values) version.Release();
        }
    }

    private async ValueTask<ModelVersion?> VersionOfAsync(Asking asking, Dictionary<CheckpointSaved, ModelVersion> versions, CancellationToken ct)
    {
        if (!run.IsBuffered || asking.Round == run.State.OpenRound?.Round) return flights.PresentVersion();
        CheckpointSaved start = asking.Start!;
        if (!versions.TryGetValue(start, out ModelVersion? version))
            versions[start] = version = new ModelVersion(await run.Options.Checkpoints!.LoadModelAsync(start, ct).ConfigureAwait(false));
        return version;
    }
}
