using System.Numerics.Tensors;
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
    // So many clients are looked at one by one where nobody was chosen.
    private const int MostLookedAt = 1_000_000;

    private const string Stale = "update.stale";

    private static readonly ClientWork Unknown = new();

    private readonly RunState _state = new();
    private readonly RunEnding _ending = new(plan);
    private AggregationResources _resources = null!;

    // What is known of the open round beyond its facts: it is lost with the process, and the round is then held again. In the order of the state's clients.
    private readonly List<Flight> _flights = [];
    private readonly Dictionary<SiteTask, int> _positions = new(ReferenceEqualityComparer.Instance);

    // In a buffered run: who is at work, the version of the model that clients are now sent, and training replies that came meanwhile.
    private readonly HashSet<long> _atWork = [];
    private readonly Queue<FleetReply> _early = new();
    private ModelVersion? _version;
    private bool _owesAsking;

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
        using var resources = new AggregationResources(options.Threads, options.Pool) { PartialSumBytes = options.PartialSumBytes };
        _resources = resources;
        await RecoverAsync(server, ct).ConfigureAwait(false);
        try
        {
            while (_state.Ended is null)
            {
                ct.ThrowIfCancellationRequested();
                await StepAsync(server, ct).ConfigureAwait(false);
            }
        }
        finally
        {
            WithdrawAll();
        }

        if (!_state.Ended.IsSuccess) throw FedCoreException.RunFailed(_state.Ended.Code, _state.Ended.Message);
        return _state.Ended;
    }

    private async Task RecoverAsync(ServerState server, CancellationToken ct)
    {
        await foreach (RunEvent fact in journal.ReadAsync(ct).ConfigureAwait(false)) _state.Apply(fact);
        if (_state.Opened is null)
        {
            await RecordAsync(new RunOpened(plan.Hash, options.Environment, plan.StrategyName), ct).ConfigureAwait(false);
            return;
        }

        if (_state.Opened.Strategy is { } strategy && strategy != plan.StrategyName)
        {
            throw FedCoreException.Configuration(
                "run.changed", $"The run to resume has the strategy {Shown.Of(strategy)}, but its definition now has {plan.StrategyName}. Undo the change, or start a new run.");
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
        if (fleet.KeepsUpdates && _state.Ended is null && _state.Checkpoint?.Round == _state.LastRound && await GoOnAsync(server, ct).ConfigureAwait(false)) return;
        await RecordAsync(new RunResumed(_state.Checkpoint?.Round ?? 0), ct).ConfigureAwait(false);
    }

    // Takes the open round up where the process left it: the clients' updates that counted are still there, and who owes an answer is asked again.
    private async ValueTask<bool> GoOnAsync(ServerState server, CancellationToken ct)
    {
        bool isBuffered = plan.Definition.Rounds.Buffer is not null;
        if (isBuffered && options.Checkpoints is not { CommitsRounds: true }) return false;
        var versions = new Dictionary<CheckpointSaved, ModelVersion>();
        try
        {
            foreach (Asking asking in _state.Askings)
            {
                ModelVersion? version = !isBuffered ? null : asking.Round == _state.OpenRound?.Round ? CurrentVersion(server) : await VersionAsync(asking.Start!, versions, ct).ConfigureAwait(false);
                Flight flight = Prepare(asking, version, server);
                int position = _flights.Count - 1;
                if (_state.OpenRound is null || _state.OutcomeOf(position) != ClientOutcome.Reported) continue;
                if ((flight.Update = fleet.Recall(flight.Client, flight.Task)) is null) return GiveUp();
            }
        }
        catch (FedCoreException fault) when (fault.Code == "run.checkpoint")
        {
            // A model that clients started from is not there any more.
            return GiveUp();
        }
        finally
        {
            foreach (ModelVersion version in versions.Values) version.Release();
        }

        for (int position = 0; position < _flights.Count; position++)
        {
            bool isOwed = _state.OpenRound is null || (_state.Replies[position] is null && (isBuffered || _state.Closed is null));
            if (!isOwed) continue;
            _atWork.Add(_flights[position].Client.Index);
            await SendAsync(position, ct).ConfigureAwait(false);
        }

        // The process may have ended between a reply and the asking that follows it.
        _owesAsking = _state is { OpenRound: { IsBuffered: true } round, Closed: null } && _state.Pending < round.Cohort.Count;
        return true;

        bool GiveUp()
        {
            foreach (Flight flight in _flights) flight.Version?.Release();
            _version?.Release();
            _version = null;
            _flights.Clear();
            _positions.Clear();
            return false;
        }
    }

    private async ValueTask<ModelVersion> VersionAsync(CheckpointSaved start, Dictionary<CheckpointSaved, ModelVersion> versions, CancellationToken ct)
    {
        if (!versions.TryGetValue(start, out ModelVersion? version)) versions[start] = version = new ModelVersion(await options.Checkpoints!.LoadModelAsync(start, ct).ConfigureAwait(false));
        return version;
    }

    private ModelVersion CurrentVersion(ServerState server) => _version ??= new ModelVersion(server.Model.Clone(options.Pool.Storage));

    private ValueTask LoadCheckpointAsync(CheckpointSaved checkpoint, ServerState server, CancellationToken ct) =>
        options.Checkpoints?.LoadAsync(checkpoint, server, ct) ?? throw FedCoreException.Configuration(
            "run.checkpoint", $"The run to resume has a checkpoint behind round {checkpoint.Round}, but no checkpoint store was given to load it from.");

    // One transition: what to do follows from the state.
    private ValueTask StepAsync(ServerState server, CancellationToken ct) => _state switch
    {
        { OpenRound: null } when EvaluationIsDue() => EvaluateAsync(server, ct),
        { OpenRound: null } when CheckpointIsDue() => SaveCheckpointAsync(server, ct),
        { OpenRound: null } when _ending.DueBy(_state) is { } end => RecordAsync(end, ct),
        { OpenRound: null } => OpenRoundAsync(server, ct),
        { Closed: null } => CollectAsync(server, ct),
        _ => EndRoundAsync(server, ct),
    };

    private bool EvaluationIsDue()
    {
        int round = _state.LastRound;
        return plan.IsEvaluated(round) && (_state.Evaluations.Count == 0 || _state.Evaluations[^1].Round < round);
    }

    private bool CheckpointIsDue() => options.Checkpoints is { } store
        && (store.CommitsRounds ? _state.Checkpoint is null : _state.LastRound > 0 && (_state.Checkpoint?.Round ?? 0) < _state.LastRound
        && (_ending.DueBy(_state) is not null || store.IsDue(_state.LastRound)));

    private async ValueTask OpenRoundAsync(ServerState server, CancellationToken ct)
    {
        RoundPolicy policy = plan.Definition.Rounds;
        int round = _state.LastRound + 1;
        int needed = policy.MinimumReports ?? (policy.Buffer is null ? (int)Math.Min(int.MaxValue, policy.Cohort.MostWanted(fleet.Clients.Count)) : 1);
        await fleet.WaitAsync(needed, ct).ConfigureAwait(false);
        if (policy.Buffer is { } buffer)
        {
            await OpenBufferedAsync(round, buffer, server, ct).ConfigureAwait(false);
            return;
        }

        (SelectionContext context, Cohort cohort) = await ChooseAsync(round, ct).ConfigureAwait(false);
        await RecordAsync(new RoundOpened(round, context.Now, cohort.Members, cohort.Wanted), ct).ConfigureAwait(false);
        _flights.Clear();
        _positions.Clear();
        while (_flights.Count < cohort.Members.Count) await AskAsync(server, ct).ConfigureAwait(false);
    }

    // Where everybody whom a round would ask is known to be asleep, it waits until the first of them wakes up.
    private async ValueTask<(SelectionContext Context, Cohort Cohort)> ChooseAsync(int round, CancellationToken ct)
    {
        while (true)
        {
            SelectionContext context = ContextFor(round, "cohort");
            Cohort cohort = plan.Definition.Rounds.Cohort.Select(context);
            IReadOnlyList<long> chosen = cohort.Members;
            if (chosen.Count == 0 && (fleet.Clients.Count > MostLookedAt || context.AvailableClients().Any())) return (context, cohort);
            TimeSpan sleep = (chosen.Count > 0 ? chosen : Enumerable.Range(0, (int)fleet.Clients.Count).Select(client => (long)client))
                .Min(client => fleet.Clients.Get(client).TimeUntilAvailable(context.Now));
            if (sleep == TimeSpan.Zero) return (context, cohort);
            using var alarm = new CancellationTokenSource(sleep, options.Clock);
            while (await NextReplyAsync(alarm.Token, ct).ConfigureAwait(false) is not null)
            {
                // Who answers now was given up before.
            }
        }
    }

    // Those who are still at work stay; so many more are asked that as many are at work as the cohort has.
    private async ValueTask OpenBufferedAsync(int round, BufferPolicy buffer, ServerState server, CancellationToken ct)
    {
        ICohortSelection selection = plan.Definition.Rounds.Cohort;
        int concurrency = (int)selection.MostWanted(fleet.Clients.Count), atWork = _flights.Count;
        List<long> members = [.. _flights.Select(flight => flight.Client.Index)];
        SelectionContext context = ContextFor(round, "cohort");
        if (atWork == 0)
        {
            (context, Cohort chosen) = await ChooseAsync(round, ct).ConfigureAwait(false);
            members.AddRange(chosen.Members);
        }

        _atWork.UnionWith(members);
        while (members.Count < concurrency && selection.SelectNext(context, _atWork.Contains) is { } next)
        {
            members.Add(next);
            _atWork.Add(next);
        }

        await RecordAsync(new RoundOpened(round, context.Now, members, buffer.Size, atWork), ct).ConfigureAwait(false);
        while (_flights.Count < members.Count) await AskAsync(server, ct).ConfigureAwait(false);
    }

    // Hands the task to the client that stands next in the state.
    private ValueTask AskAsync(ServerState server, CancellationToken ct)
    {
        Prepare(_state.Askings[_flights.Count], plan.Definition.Rounds.Buffer is null ? null : CurrentVersion(server), server);
        return SendAsync(_flights.Count - 1, ct);
    }

    // Who cannot do a single step in time is not asked, and is taken to have declined.
    private ValueTask SendAsync(int position, CancellationToken ct)
    {
        Flight flight = _flights[position];
        return flight.Task.Work.MaxSteps == 0
            ? TakeAsync(position, new FleetReply(flight.Task, ClientOutcome.Declined, Reason: RunEnding.TooSlow), ct)
            : fleet.SendAsync(flight.Client, flight.Task, ct);
    }

    private Flight Prepare(Asking asking, ModelVersion? version, ServerState server)
    {
        RoundPolicy policy = plan.Definition.Rounds;
        IStrategy strategy = plan.Definition.Strategy;
        ClientDescriptor descriptor = fleet.Clients.Get(asking.Client);
        ClientTask work = strategy.Plan(new RoundContext(plan, asking.Round, fleet.Clients.Count), descriptor);
        if (policy.WorkPlanning is { } planning && policy.DeadlineSeconds is { } seconds)
        {
            int? most = planning.StepsFor(work, descriptor, seconds, plan.TaskBytes, plan.UpdateBytes);
            work = work with { MaxSteps = most < work.MaxSteps ? most : work.MaxSteps ?? most };
        }

        version?.Acquire();
        DateTimeOffset? deadline = policy.DeadlineSeconds is { } limit ? asking.At.AddSeconds(limit) : null;
        var task = new TrainTask(work, asking.Round, asking.Position, asking.CohortSize, version?.Model ?? server.Model, plan.TrainLayout, deadline)
        {
            Broadcasts = strategy.Broadcasts.ToDictionary(name => name, name => server.Vector(name)),
        };
        var flight = new Flight(descriptor, task, options.Clock.GetUtcNow(), version);
        _positions.Add(task, _flights.Count);
        _flights.Add(flight);
        return flight;
    }

    private SelectionContext ContextFor(int round, string purpose) => new(fleet.Clients, plan.Random.Stream(purpose, round))
    {
        Round = round,
        Now = options.Clock.GetUtcNow(),
        OverSelection = purpose == "cohort" ? plan.Definition.Rounds.OverSelection : 0,
        History = _state.History,
    };

    private async ValueTask CollectAsync(ServerState server, CancellationToken ct)
    {
        RoundOpened round = _state.OpenRound!;
        string reason;
        using (CancellationTokenSource deadline = StartDeadline(round))
        {
            // One stream for all who are chosen in the round, one by one.
            SelectionContext? more = round.IsBuffered ? ContextFor(round.Round, "next") : null;
            int askedAtMost = round.IsBuffered ? 100 + 20 * (round.Wanted + round.Cohort.Count) : 0;
            while (true)
            {
                bool isFull = _state.Reported >= round.Wanted && round.Wanted > 0;
                if (_owesAsking && more is not null && !isFull && _state.Clients.Count < askedAtMost) await AskNextAsync(more, server, ct).ConfigureAwait(false);
                _owesAsking = false;
                if (isFull) reason = round.IsBuffered ? "the buffer is full" : "all wanted reports are there";
                else if (_state.Pending == 0) reason = "every client has answered or is lost";
                else if (await NextReplyAsync(deadline.Token, ct).ConfigureAwait(false) is not { } reply) reason = "the deadline passed";
                else
                {
                    if (!_positions.TryGetValue(reply.Task, out int position) || _state.Replies[position] is not null) continue;
                    await TakeAsync(position, reply, ct).ConfigureAwait(false);

                    // Who is asked behind the last update of the buffer shall start from the model that it moves.
                    _owesAsking = true;
                    continue;
                }

                break;
            }
        }

        await RecordAsync(new SetClosed(round.Round, options.Clock.GetUtcNow(), reason), ct).ConfigureAwait(false);
        if (round.IsBuffered) return;
        for (int position = 0; position < _flights.Count; position++)
            if (_state.Replies[position] is null) fleet.Withdraw(_flights[position].Task);
    }

    private async ValueTask AskNextAsync(SelectionContext context, ServerState server, CancellationToken ct)
    {
        if (plan.Definition.Rounds.Cohort.SelectNext(context with { Now = options.Clock.GetUtcNow() }, _atWork.Contains) is not { } client) return;
        _atWork.Add(client);
        await RecordAsync(new ClientAsked(_state.OpenRound!.Round, client), ct).ConfigureAwait(false);
        await AskAsync(server, ct).ConfigureAwait(false);
    }

    private async ValueTask TakeAsync(int position, FleetReply reply, CancellationToken ct)
    {
        Flight flight = _flights[position];
        RoundOpened round = _state.OpenRound!;
        RoundPolicy policy = plan.Definition.Rounds;
        (ClientOutcome outcome, string? reason, int staleness) = (reply.Outcome, reply.Reason, round.Round - flight.Task.Round);
        if (outcome == ClientOutcome.Reported && staleness > policy.Buffer?.MaxStaleness) (outcome, reason) = (ClientOutcome.Refused, Stale);
        bool showsTiming = plan.Discloses(Disclosure.Timing);
        var work = new ClientWork
        {
            Planned = showsTiming && reply.PlannedSteps is { } steps ? steps : flight.Task.Work.MaxSteps,
            Done = showsTiming ? reply.Steps : null,
            Seconds = showsTiming ? Math.Round((options.Clock.GetUtcNow() - flight.Asked).TotalSeconds, 3) : null,
            Staleness = round.IsBuffered ? staleness : null,
        };
        await RecordAsync(new ReplyTaken(round.Round, position, outcome, reason, work == Unknown ? null : work), ct).ConfigureAwait(false);
        flight.Update = reply.Update;
        _atWork.Remove(flight.Client.Index);
    }

    private CancellationTokenSource StartDeadline(RoundOpened round)
    {
        if (plan.Definition.Rounds.DeadlineSeconds is not { } seconds || round.IsBuffered) return new CancellationTokenSource();
        TimeSpan left = round.At.AddSeconds(seconds) - options.Clock.GetUtcNow();
        return new CancellationTokenSource(left > TimeSpan.Zero ? left : TimeSpan.Zero, options.Clock);
    }

    // Null when the deadline passed.
    private async ValueTask<FleetReply?> NextReplyAsync(CancellationToken deadline, CancellationToken ct)
    {
        if (_early.TryDequeue(out FleetReply? early)) return early;
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
        int[] positions = [.. round.IsBuffered ? _state.Arrivals : Enumerable.Range(0, _flights.Count).Where(p => _state.OutcomeOf(p) == ClientOutcome.Reported)];
        if (positions.Length < minimum)
        {
            await AbandonAsync($"{positions.Length} of at least {minimum} clients reported when {_state.Closed!.Reason}", positions, server, ct).ConfigureAwait(false);
            return;
        }

        IUpdateSource[] updates = [.. positions.Select(SourceOf)];
        IAggregator rule = plan.Definition.Aggregator.For(round.Wanted);
        AggregationResult result = await rule.AggregateAsync(plan.TrainLayout, updates, _resources, ct).ConfigureAwait(false);
        try
        {
            foreach ((int index, UpdateRefusedException reason) in result.Refused)
            {
                ReplyTaken taken = _state.Replies[positions[index]]!;
                await RecordAsync(taken with { Outcome = ClientOutcome.Refused, Reason = reason.Code }, ct).ConfigureAwait(false);
            }

            int usable = positions.Length - result.Refused.Count;
            int needed = plan.Definition.Rounds.MinimumReports ?? Math.Max(1, round.Wanted - rule.ToleratedOf(round.Wanted));
            if (usable < needed || usable == 0)
            {
                string? notFinite = result.Refused
                    .Where(refused => refused.Reason.Code == UpdateRefusedException.NotFinite)
                    .Select(refused => _flights[positions[refused.Index]].Client.Id.Name)
                    .FirstOrDefault();
                await AbandonAsync($"{usable} of at least {needed} updates were usable", positions, server, ct).ConfigureAwait(false);
                if (notFinite is not null) await RecordAsync(_ending.Diverged($"in round {round.Round} the update of client '{notFinite}' is not finite"), ct).ConfigureAwait(false);
                return;
            }

            if (rule.FaultFor(plan.TrainLayout, usable, result.Refused.Count) is { } fault)
            {
                await AbandonAsync($"{RunEnding.UnfitRule}: {fault}", positions, server, ct).ConfigureAwait(false);
                return;
            }

            if (!(result.Sum.Weight > 0))
            {
                await AbandonAsync("all updates together weigh nothing", positions, server, ct).ConfigureAwait(false);
                return;
            }

            plan.Definition.Strategy.Apply(result.Sum, new RoundContext(plan, round.Round, fleet.Clients.Count), server);
            MoveBuffers(result.Sum, server.Model.Buffers);
            RoundReceipt receipt = Receipt(committed: true, _state.Closed!.Reason, positions) with
            {
                Contributors = result.Sum.Contributors,
                Weight = result.Sum.Weight,
                Metrics = plan.Metrics.Means(result.Sum, "", "local").ToDictionary(StringComparer.Ordinal),
            };
            await CloseRoundAsync(receipt, positions, server, ct, [.. result.Discarded.Select(index => positions[index])]).ConfigureAwait(false);
            if (!VectorBlocks.IsFinite(server.Model.Trainable, server.Model.Trainable.Length) || !VectorBlocks.IsFinite(server.Model.Buffers, server.Model.Buffers.Length))
                await RecordAsync(_ending.Diverged($"round {round.Round} left a model that is not finite"), ct).ConfigureAwait(false);
        }
        finally
        {
            options.Pool.Return(result.Sum.Vector);
        }
    }

    // What is not trained is the mean of the clients', whatever the strategy does with the rest.
    private static void MoveBuffers(UpdateSum sum, FlatVector buffers)
    {
        float scale = (float)(1 / sum.Weight);
        foreach ((long offset, int count) in VectorBlocks.Of(buffers.Length))
        {
            Span<float> block = buffers.Slice(offset, count);
            TensorPrimitives.FusedMultiplyAdd(sum.Slice(Section.Buffers, offset, count), scale, block, block);
        }
    }

    private IUpdateSource SourceOf(int position)
    {
        Flight flight = _flights[position];
        IUpdateSource source = flight.Update!;
        if (plan.Codec is not null || plan.Discloses(Disclosure.ClientMetrics)) source = flight.Observed = new ObservedUpdate(source);
        if (plan.Definition.Rounds.Buffer is not { } buffer) return source;

        // Its weight stays what it is: the sum is divided by the weight of fresh updates.
        double factor = buffer.Staleness.Factor(_state.OpenRound!.Round - flight.Task.Round);
        return factor == 1 ? source : new ScaledUpdate(source, (float)factor);
    }

    private ValueTask AbandonAsync(string reason, int[] reported, ServerState server, CancellationToken ct) =>
        CloseRoundAsync(Receipt(committed: false, reason, reported), reported, server, ct);

    // What a client keeps for its update counts where the update does: not where a rule chose others.
    private async ValueTask CloseRoundAsync(RoundReceipt receipt, int[] reported, ServerState server, CancellationToken ct, int[]? discarded = null)
    {
        bool isBuffered = _state.OpenRound!.IsBuffered;
        (TrainTask Task, bool Counts)[] settled = [.. reported.Select(p => (_flights[p].Task, receipt.Committed && _state.OutcomeOf(p) == ClientOutcome.Reported && discarded?.Contains(p) != true))];
        Flight[] atWork = [.. _flights.Where((_, position) => isBuffered && _state.Replies[position] is null)];
        await RecordAsync(new RoundEnded(receipt, await CommitAsync(receipt, server, ct).ConfigureAwait(false)), ct).ConfigureAwait(false);
        foreach ((TrainTask task, bool counts) in settled) fleet.Settle(task, counts);
        foreach (Flight flight in _flights.Except(atWork)) flight.Version?.Release();
        _version?.Release();
        _version = null;
        _flights.Clear();
        _positions.Clear();
        foreach (Flight flight in atWork)
        {
            _positions.Add(flight.Task, _flights.Count);
            _flights.Add(flight);
        }
    }

    // Where a round counts only with its checkpoint, the checkpoint is safe before the fact that the round ended is.
    private async ValueTask<string?> CommitAsync(RoundReceipt receipt, ServerState server, CancellationToken ct)
    {
        if (options.Checkpoints is not { CommitsRounds: true } store) return null;
        return receipt.Committed ? await store.SaveAsync(receipt.Round, server, ct).ConfigureAwait(false) : _state.Checkpoint?.Digest;
    }

    // Clients of a buffered run are at work between its rounds too. Where updates outlast the engine, so do the tasks of a run that goes on.
    private void WithdrawAll()
    {
        if (plan.Definition.Rounds.Buffer is null) return;
        foreach (Flight flight in _flights)
        {
            bool isOwed = _state.OpenRound is null || _state.Replies[_positions[flight.Task]] is null;
            if (isOwed && (_state.Ended is not null || !fleet.KeepsUpdates)) fleet.Withdraw(flight.Task);
            flight.Version?.Release();
        }

        _version?.Release();
        _version = null;
        _flights.Clear();
    }

    private RoundReceipt Receipt(bool committed, string reason, int[] reported)
    {
        RoundOpened round = _state.OpenRound!;
        return new RoundReceipt
        {
            Run = plan.Hash,
            Round = round.Round,
            Committed = committed,
            Reason = reason,
            Opened = round.At,
            Closed = _state.Closed!.At,
            Wanted = round.Wanted,
            Clients = [.. _state.InReceipt().Select(ReceiptOf)],
            Contributors = 0,
            Weight = 0,
            Metrics = new Dictionary<string, double>(),
            BytesUp = reported.Sum(position => _flights[position].Observed?.ByteLength ?? plan.UpdateBytes),
            BytesDown = Enumerable.Range(0, _flights.Count).Skip(round.AtWork ?? 0).Count(position => _state.OutcomeOf(position) != ClientOutcome.Declined) * plan.TaskBytes,
        };
    }

    private ClientReceipt ReceiptOf(int position)
    {
        Flight flight = _flights[position];
        ReplyTaken? reply = _state.Replies[position];
        ClientWork? work = reply?.Work;
        if (reply is null && flight.Task.Work.MaxSteps is { } planned) work = new ClientWork { Planned = planned };
        if (plan.Discloses(Disclosure.ClientMetrics) && flight.Observed?.Scalars is { } scalars)
        {
            double examples = scalars[plan.TrainLayout.Find(MetricLayout.Examples).Offset], loss = scalars[plan.TrainLayout.Find(MetricLayout.Loss).Offset];
            work = (work ?? Unknown) with { Examples = examples, Loss = examples > 0 ? loss / examples : null };
        }

        return new ClientReceipt(flight.Client.Id.Name, reply?.Outcome ?? ClientOutcome.Late, reply?.Reason, work);
    }

    private async ValueTask EvaluateAsync(ServerState server, CancellationToken ct)
    {
        EvaluationPlan evaluation = plan.Definition.Evaluation;
        int round = _state.LastRound;
        long population = fleet.Clients.Count;
        Cohort cohort = evaluation.CohortFor(population).Select(ContextFor(round, "evaluation"));
        for (int position = 0; position < cohort.Members.Count; position++)
        {
            var task = new EvaluateTask(evaluation.Splits, round, position, cohort.Members.Count, server.Model, plan.EvaluateLayout) { FineTune = evaluation.FineTune };
            await fleet.SendAsync(fleet.Clients.Get(cohort.Members[position]), task, ct).ConfigureAwait(false);
        }

        // Of a buffered run some are training meanwhile; what they send waits for the next round.
        var trained = new Queue<FleetReply>();
        var replies = new FleetReply?[cohort.Members.Count];
        for (int pending = replies.Length; pending > 0;)
        {
            FleetReply reply = await NextReplyAsync(ct, ct).ConfigureAwait(false) ?? throw new OperationCanceledException(ct);
            if (_positions.ContainsKey(reply.Task)) trained.Enqueue(reply);
            if (reply.Task is not EvaluateTask task || task.Round != round || replies[task.Position] is not null) continue;
            replies[task.Position] = reply;
            pending--;
        }

        foreach (FleetReply reply in trained) _early.Enqueue(reply);
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
                Distributions = plan.Distributions
                    .Select(name => (Name: name, Found: ClientDistribution.From(result.Sum, DistributionPlan.SectionOf(name))))
                    .Where(distribution => distribution.Found is not null).ToDictionary(d => d.Name, d => d.Found!, StringComparer.Ordinal),
                BytesUp = updates.Length * plan.EvaluateLayout.ByteLength,
                BytesDown = cohort.Members.Count * plan.ModelBytes,
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
