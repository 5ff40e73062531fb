using FedCore.Aggregation;
using FedCore.Numerics;
using FedCore.Rounds.Selection;
using FedCore.Strategies;
using FedCore.Updates;

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
    private const string AbandonedRemedy = "Lower rounds.minimumReports, raise rounds.deadlineSeconds or rounds.overSelection, or find out why clients do not report.";

    private readonly RunState _state = new();
    private AggregationResources _resources = null!;

    // What is known of the open round beyond its facts: it is lost with the process, and the round is then held again.
    private readonly List<ClientDescriptor> _members = [];
    private readonly List<TrainTask> _tasks = [];
    private readonly List<IUpdateSource?> _updates = [];

    /// <summary>Where the run stands.</summary>
    public RunState State => _state;

    /// <summary>Runs to the end, from wherever the journal left off.</summary>
    /// <param name="server">The global model at the run's start; it is moved on to the last checkpoint and then by the rounds.</param>
    /// <param name="ct">Cancels the run between two facts; it can be resumed.</param>
    /// <returns>How the run ended.</returns>
    /// <exception cref="FedCoreException">The run failed: it diverged, or too many rounds in a row were abandoned.</exception>
    public async Task<RunEnded> RunAsync(ServerState server, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(server);
        plan.CheckPopulation(fleet.Clients.Count);
        using var resources = new AggregationResources(options.Threads, options.Pool);
        _resources = resources;
        await RecoverAsync(server, ct).ConfigureAwait(false);
        while (_state.Ended is null)
        {
            ct.ThrowIfCancellationRequested();
            await StepAsync(server, ct).ConfigureAwait(false);
        }

        if (!_state.Ended.IsSuccess) throw FedCoreException.RunFailed(_state.Ended.Code, _state.Ended.Message);
        return _state.Ended;
    }

    private async Task RecoverAsync(ServerState server, CancellationToken ct)
    {
        await foreach (RunEvent fact in journal.ReadAsync(ct).ConfigureAwait(false)) _state.Apply(fact);
        if (_state.Opened is null)
        {
            await RecordAsync(new RunOpened(plan.Hash, options.Environment), ct).ConfigureAwait(false);
            return;
        }

        if (_state.Opened.Run != plan.Hash)
        {
            throw FedCoreException.Configuration(
                "run.changed", $"The run to resume is {_state.Opened.Run}, but its definition is now {plan.Hash}. Undo the change, or start a new run.");
        }

        if (_state.Opened.Environment != options.Environment)
        {
            throw FedCoreException.Configuration(
                "run.changed", "The run to resume had other data, other simulated devices or another model to start from. Undo the change, or start a new run.");
        }

        if (_state.Ended is { IsSuccess: true } && _state.Checkpoint?.Round == _state.LastRound)
        {
            await LoadCheckpointAsync(_state.Checkpoint, server, ct).ConfigureAwait(false);
            return;
        }

        if (_state.Checkpoint is { } checkpoint) await LoadCheckpointAsync(checkpoint, server, ct).ConfigureAwait(false);
        await RecordAsync(new RunResumed(_state.Checkpoint?.Round ?? 0), ct).ConfigureAwait(false);
    }

    private ValueTask LoadCheckpointAsync(CheckpointSaved checkpoint, ServerState server, CancellationToken ct) =>
        options.Checkpoints?.LoadAsync(checkpoint, server, ct) ?? throw FedCoreException.Configuration(
            "run.checkpoint", $"The run to resume has a checkpoint behind round {checkpoint.Round}, but no checkpoint store was given to load it from.");

    // One transition: what to do follows from the state.
    private ValueTask StepAsync(ServerState server, CancellationToken ct) => _state switch
    {
        { OpenRound: null } when EvaluationIsDue() => EvaluateAsync(server, ct),
        { OpenRound: null } when CheckpointIsDue() => SaveCheckpointAsync(server, ct),
        { OpenRound: null } when EndIsDue() is { } end => RecordAsync(end, ct),
        { OpenRound: null } => OpenRoundAsync(server, ct),
        { Closed: null } => CollectAsync(ct),
        _ => EndRoundAsync(server, ct),
    };

    private bool EvaluationIsDue()
    {
        int round = _state.LastRound;
        return plan.IsEvaluated(round) && (_state.Evaluations.Count == 0 || _state.Evaluations[^1].Round < round);
    }

    private bool CheckpointIsDue() => options.Checkpoints is { } store && _state.LastRound > 0 && (_state.Checkpoint?.Round ?? 0) < _state.LastRound
        && (EndIsDue() is not null || store.IsDue(_state.LastRound));

    private RunEnded? EndIsDue()
    {
        RunDefinition run = plan.Definition;
        if (_state.Evaluations.Count > 0 && _state.Evaluations[^1] is { } last && last.Round == _state.LastRound)
        {
            foreach ((string name, double metric) in last.Metrics)
                if (!double.IsFinite(metric)) return Diverged($"behind round {last.Round} {name} is {metric}");
        }

        if (_state.AbandonedInARow >= run.Rounds.MaxAbandonedInARow)
        {
            RoundReceipt receipt = _state.Rounds[^1];
            return new RunEnded("run.abandoned", $"{_state.AbandonedInARow} rounds in a row were abandoned, the last because {receipt.Reason}. " + AbandonedRemedy);
        }

        if (run.Stop is { } stop && _state.Evaluations.Count > 0 && _state.Evaluations[^1].Metrics.TryGetValue(stop.Metric, out double value) && stop.IsMet(value))
            return new RunEnded(RunEnded.TargetReached, $"{stop.Metric} reached {value:G4} in round {_state.Evaluations[^1].Round}");
        return _state.LastRound >= run.Rounds.Count ? LastRoundHeld() : null;
    }

    // A run of which no round counted has learned nothing: its model is the first one.
    private RunEnded LastRoundHeld()
    {
        int rounds = _state.Rounds.Count, committed = _state.Rounds.Count(receipt => receipt.Committed);
        if (committed == 0)
        {
            return new RunEnded("run.abandoned", $"No round was held: {(rounds == 1 ? "the only one was" : $"all {rounds} were")} abandoned, the last because {_state.Rounds[^1].Reason}. "
                + AbandonedRemedy);
        }

        return new RunEnded(RunEnded.Completed, committed == rounds ? $"all {rounds} rounds were held" : $"{committed} of {rounds} rounds were held, {rounds - committed} abandoned");
    }

    private RunEnded Diverged(string what) => new(
        "run.diverged", $"The run diverged: {what}. Lower training.learningRate (now {plan.Definition.Training.LearningRate:G4}) or set training.clipNorm; "
        + "check that features are scaled and that no parameter of the strategy is extreme.");

    private async ValueTask OpenRoundAsync(ServerState server, CancellationToken ct)
    {
        RoundPolicy policy = plan.Definition.Rounds;
        int round = _state.LastRound + 1;
        Cohort cohort = policy.Cohort.Select(fleet.Clients.Count, policy.OverSelection, plan.Random.Stream("cohort", round));
        DateTimeOffset now = options.Clock.GetUtcNow();
        await RecordAsync(new RoundOpened(round, now, cohort.Members, cohort.Wanted), ct).ConfigureAwait(false);

        var context = new RoundContext(plan, round, fleet.Clients.Count);
        Dictionary<string, FlatVector> broadcasts = plan.Definition.Strategy.Broadcasts.ToDictionary(name => name, name => server.Vector(name));
        DateTimeOffset? deadline = policy.DeadlineSeconds is { } seconds ? now.AddSeconds(seconds) : null;
        _members.Clear();
        _tasks.Clear();
        _updates.Clear();
        for (int position = 0; position < cohort.Members.Count; position++)
        {
            ClientDescriptor client = fleet.Clients.Get(cohort.Members[position]);
            ClientTask work = plan.Definition.Strategy.Plan(context, client);
            var task = new TrainTask(work, round, position, cohort.Members.Count, server.Model, plan.TrainLayout, deadline) { Broadcasts = broadcasts };
            _members.Add(client);
            _tasks.Add(task);
            _updates.Add(null);
            await fleet.SendAsync(client, task, ct).ConfigureAwait(false);
        }
    }

    private async ValueTask CollectAsync(CancellationToken ct)
    {
        RoundOpened round = _state.OpenRound!;
        string reason;
        using (CancellationTokenSource deadline = StartDeadline(round))
        {
            while (true)
            {
                if (_state.Reported >= round.Wanted && round.Wanted > 0) reason = "all wanted reports are there";
                else if (_state.Pending == 0) reason = "every client has answered or is lost";
                else if (await NextReplyAsync(deadline.Token, ct).ConfigureAwait(false) is not { } reply) reason = "the deadline passed";
                else
                {
                    if (reply.Task is not TrainTask task || task.Round != round.Round) continue;
                    if (_state.Outcomes[task.Position].Outcome != ClientOutcome.Pending) continue;
                    await RecordAsync(new ReplyTaken(round.Round, task.Position, reply.Outcome, reply.Reason), ct).ConfigureAwait(false);
                    _updates[task.Position] = reply.Update;
                    continue;
                }

                break;
            }
        }

        await RecordAsync(new SetClosed(round.Round, options.Clock.GetUtcNow(), reason), ct).ConfigureAwait(false);
        for (int position = 0; position < _tasks.Count; position++)
            if (_state.Outcomes[position].Outcome == ClientOutcome.Pending) fleet.Withdraw(_tasks[position]);
    }

    private CancellationTokenSource StartDeadline(RoundOpened round)
    {
        if (plan.Definition.Rounds.DeadlineSeconds is not { } seconds) return new CancellationTokenSource();
        TimeSpan left = round.At.AddSeconds(seconds) - options.Clock.GetUtcNow();
        return new CancellationTokenSource(left > TimeSpan.Zero ? left : TimeSpan.Zero, options.Clock);
    }

    // Null when the deadline passed.
    private async ValueTask<FleetReply?> NextReplyAsync(CancellationToken deadline, CancellationToken ct)
    {
        if (fleet.Replies.TryRead(out FleetReply? ready)) return ready;
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline, ct);
        try
        {
            return await fleet.Replies.ReadAsync(either.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            return null;
        }
        catch (System.Threading.Channels.ChannelClosedException fault)
        {
            throw FedCoreException.RunFailed("run.fleet-closed", "The fleet closed while clients still owed a reply.", fault);
        }
    }

    private async ValueTask EndRoundAsync(ServerState server, CancellationToken ct)
    {
        RoundOpened round = _state.OpenRound!;
        int minimum = plan.Definition.Rounds.MinimumReports ?? Math.Max(1, round.Wanted);
        int[] positions = [.. Enumerable.Range(0, _updates.Count).Where(p => _state.Outcomes[p].Outcome == ClientOutcome.Reported)];
        if (positions.Length < minimum)
        {
            await AbandonAsync($"{positions.Length} of at least {minimum} clients reported when {_state.Closed!.Reason}", positions, ct).ConfigureAwait(false);
            return;
        }

        IUpdateSource[] updates = [.. positions.Select(p => _updates[p]!)];
        AggregationResult result = await plan.Definition.Aggregator.AggregateAsync(plan.TrainLayout, updates, _resources, ct).ConfigureAwait(false);
        try
        {
            foreach ((int index, UpdateRefusedException reason) in result.Refused)
            {
                var refusal = new ReplyTaken(round.Round, positions[index], ClientOutcome.Refused, reason.Code);
                await RecordAsync(refusal, ct).ConfigureAwait(false);
            }

            int usable = positions.Length - result.Refused.Count;
            if (usable < minimum || usable == 0)
            {
                await AbandonAsync($"{usable} of at least {minimum} updates were usable", positions, ct).ConfigureAwait(false);
                if (result.Refused.FirstOrDefault(refused => refused.Reason.Code == UpdateRefusedException.NotFinite) is { Reason: not null } first)
                {
                    string client = _members[positions[first.Index]].Id.Name;
                    await RecordAsync(Diverged($"in round {round.Round} the update of client '{client}' is not finite"), ct).ConfigureAwait(false);
                }

                return;
            }

            plan.Definition.Strategy.Apply(result.Sum, new RoundContext(plan, round.Round, fleet.Clients.Count), server);
            RoundReceipt receipt = Receipt(committed: true, _state.Closed!.Reason, positions.Length) with
            {
                Contributors = result.Sum.Contributors,
                Weight = result.Sum.Weight,
                Metrics = plan.Metrics.Means(result.Sum, "", "local").ToDictionary(StringComparer.Ordinal),
            };
            await EndRoundAsync(receipt, positions, ct).ConfigureAwait(false);
            if (!VectorBlocks.IsFinite(server.Model.Trainable, server.Model.Trainable.Length))
                await RecordAsync(Diverged($"round {round.Round} left a model that is not finite"), ct).ConfigureAwait(false);
        }
        finally
        {
            options.Pool.Return(result.Sum.Vector);
        }
    }

    private ValueTask AbandonAsync(string reason, int[] reported, CancellationToken ct) =>
        EndRoundAsync(Receipt(committed: false, reason, reported.Length), reported, ct);

    private async ValueTask EndRoundAsync(RoundReceipt receipt, int[] reported, CancellationToken ct)
    {
        await RecordAsync(new RoundEnded(receipt), ct).ConfigureAwait(false);
        foreach (int position in reported)
            fleet.Settle(_tasks[position], receipt.Committed && receipt.Clients[position].Outcome == ClientOutcome.Reported);
    }

    private RoundReceipt Receipt(bool committed, string reason, int reports)
    {
        RoundOpened round = _state.OpenRound!;
        var clients = new ClientReceipt[_members.Count];
        for (int i = 0; i < clients.Length; i++)
        {
            (ClientOutcome outcome, string? why) = _state.Outcomes[i];
            clients[i] = new ClientReceipt(_members[i].Id.Name, outcome == ClientOutcome.Pending ? ClientOutcome.Late : outcome, why);
        }

        return new RoundReceipt
        {
            Run = plan.Hash,
            Round = round.Round,
            Committed = committed,
            Reason = reason,
            Opened = round.At,
            Closed = _state.Closed!.At,
            Wanted = round.Wanted,
            Clients = clients,
            Contributors = 0,
            Weight = 0,
            Metrics = new Dictionary<string, double>(),
            BytesUp = reports * plan.TrainLayout.ByteLength,
            BytesDown = _members.Count * plan.TaskBytes,
        };
    }

    private async ValueTask EvaluateAsync(ServerState server, CancellationToken ct)
    {
        EvaluationPlan evaluation = plan.Definition.Evaluation;
        int round = _state.LastRound;
        long population = fleet.Clients.Count;
        Cohort cohort = evaluation.CohortFor(population).Select(population, 0, plan.Random.Stream("evaluation", round));
        for (int position = 0; position < cohort.Members.Count; position++)
        {
            var task = new EvaluateTask(evaluation.Splits, round, position, cohort.Members.Count, server.Model, plan.EvaluateLayout);
            await fleet.SendAsync(fleet.Clients.Get(cohort.Members[position]), task, ct).ConfigureAwait(false);
        }

        var replies = new FleetReply?[cohort.Members.Count];
        for (int pending = replies.Length; pending > 0;)
        {
            FleetReply reply = await NextReplyAsync(ct, ct).ConfigureAwait(false) ?? throw new OperationCanceledException(ct);
            if (reply.Task is not EvaluateTask task || task.Round != round || replies[task.Position] is not null) continue;
            replies[task.Position] = reply;
            pending--;
        }

        IUpdateSource[] updates = [.. replies.Where(reply => reply!.Outcome == ClientOutcome.Reported).Select(reply => reply!.Update!)];
        AggregationResult result = await new WeightedMean().AggregateAsync(plan.EvaluateLayout, updates, _resources, ct).ConfigureAwait(false);
        options.Pool.Return(result.Sum.Vector);
        var metrics = new Dictionary<string, double>(StringComparer.Ordinal);
        foreach (string prefix in evaluation.Splits.Select(MetricLayout.Prefix))
            foreach ((string name, double value) in plan.Metrics.Means(result.Sum, prefix, prefix)) metrics[name] = value;
        await RecordAsync(
            new EvaluationEnded(new EvaluationReceipt
            {
                Round = round,
                Contributors = result.Sum.Contributors,
                Metrics = metrics,
                BytesUp = updates.Length * plan.EvaluateLayout.ByteLength,
                BytesDown = cohort.Members.Count * plan.Model.Schema.TrainableCount * sizeof(float),
            }),
            ct).ConfigureAwait(false);
    }

    private async ValueTask SaveCheckpointAsync(ServerState server, CancellationToken ct)
    {
        int round = _state.LastRound;
        string digest = await options.Checkpoints!.SaveAsync(round, server, ct).ConfigureAwait(false);
        await RecordAsync(new CheckpointSaved(round, digest), ct).ConfigureAwait(false);
    }

    private async ValueTask RecordAsync(RunEvent fact, CancellationToken ct)
    {
        await journal.AppendAsync(fact, ct).ConfigureAwait(false);
        _state.Apply(fact);
        options.Progress?.Report(fact);
    }
}
