using System.Numerics.Tensors;
using FedCore.Aggregation;
using FedCore.Numerics;
using FedCore.Privacy;
using FedCore.SecureAggregation;
using FedCore.SecureAggregation.Messages;
using FedCore.SecureAggregation.Ring;
using FedCore.Strategies;
using FedCore.Updates;

namespace FedCore.Rounds.Engine;

/// <summary>Ends a round whose set is closed: sums its updates and moves the model on, or abandons it.</summary>
internal sealed class RoundCompletion(ActiveRun run, IRoundMode mode, Flights flights, RunEnding ending, AggregationResources resources, SecureSum? secure)
{
    private readonly RoundReceipts _receipts = new(run, flights);

    public async ValueTask CompleteAsync(CancellationToken ct)
    {
        RoundOpened round = run.State.OpenRound!;
        int minimum = run.Policy.MinimumReports ?? Math.Max(1, round.Wanted);
        int[] positions = mode.ReportedPositions();
        if (positions.Length < minimum)
        {
            await AbandonAsync($"{positions.Length} of at least {minimum} clients reported when {run.State.Closed!.Reason}", positions, null, ct).ConfigureAwait(false);
            return;
        }

        IAggregator rule = run.Plan.Definition.Aggregator.For(round.Wanted);
        int needed = run.Policy.MinimumReports ?? run.Plan.Definition.SecureAggregation?.LeastOf(round.Wanted) ?? Math.Max(1, round.Wanted - rule.ToleratedOf(round.Wanted));
        AggregationResult result;
        SecureSumReceipt? formed;
        try
        {
            (result, formed) = secure is null
                ? (await SumInTheClearAsync(rule, positions, ct).ConfigureAwait(false), null)
                : await secure.SumAsync(SumPurpose.Update, [.. positions.Select(position => new ReadyClient(flights[position].Client, flights[position].Task, flights[position].Update))], needed, ct).ConfigureAwait(false);
        }
        catch (SecureAggregationException fault)
        {
            await RefuseAsync(secure!.Refused.Select(refused => (refused.Key, refused.Value)), positions, ct).ConfigureAwait(false);
            await AbandonAsync($"{fault.Code}: {fault.Message.TrimEnd('.')}", positions, null, ct).ConfigureAwait(false);
            return;
        }

        catch (FedCoreException fault) when (fault.Code == PrivacyNumbers.Budget)
        {
            // Another run has spent it meanwhile.
            await AbandonAsync($"{fault.Code}: {fault.Message.TrimEnd('.')}", positions, null, ct).ConfigureAwait(false);
            return;
        }

        try
        {
            await RefuseAsync(result.Refused, positions, ct).ConfigureAwait(false);
            int usable = positions.Length - result.Refused.Count;
            if (usable < needed || usable == 0)
            {
                string? notFinite = result.Refused
                    .Where(refused => refused.Reason.Code == UpdateRefusedException.NotFinite)
                    .Select(refused => flights[positions[refused.Index]].Client.Id.Name)
                    .FirstOrDefault();
                await AbandonAsync($"{usable} of at least {needed} updates were usable", positions, formed, ct).ConfigureAwait(false);
                if (notFinite is not null) await run.RecordAsync(ending.Diverged($"in round {round.Round} the update of client '{notFinite}' is not finite"), ct).ConfigureAwait(false);
            }
            else if (rule.FaultFor(run.Plan.TrainLayout, usable, result.Refused.Count) is { } fault)
            {
                await AbandonAsync($"{RunEnding.UnfitRule}: {fault}", positions, formed, ct).ConfigureAwait(false);
            }
            else if (!(result.Sum.Weight > 0))
            {
                await AbandonAsync("all updates together weigh nothing", positions, formed, ct).ConfigureAwait(false);
            }
            else
            {
                await ApplyAsync(result, positions, formed, ct).ConfigureAwait(false);
            }
        }
        finally
        {
            run.Options.Pool.Return(result.Sum.Vector);
        }
    }

    // Noise is added to whole numbers.
    private async ValueTask<AggregationResult> SumInTheClearAsync(IAggregator rule, int[] positions, CancellationToken ct)
    {
        IUpdateSource[] updates = [.. positions.Select(SourceOf)];
        if (run.Plan.Privacy is null or { IsAtSites: true }) return await rule.AggregateAsync(run.Plan.TrainLayout, updates, resources, ct).ConfigureAwait(false);
        int round = run.State.OpenRound!.Round;
        UpdateRing ring = run.Plan.RingFor(SumPurpose.Update, positions.Length, flights[positions[0]].Task.Work.UpdateClip);
        await run.Noise.ReserveAsync(ring.Encoding.Noise!.EventOf(0), ct).ConfigureAwait(false);
        var fold = new RingFold(ring, index => run.Plan.Random.Stream("ring", round, flights[positions[index]].Client.Id.Name), round, run.Noise.AddNoise);
        return await fold.AggregateAsync(run.Plan.TrainLayout, updates, resources, ct).ConfigureAwait(false);
    }

    private async ValueTask RefuseAsync(IEnumerable<(int Index, UpdateRefusedException Reason)> refused, int[] positions, CancellationToken ct)
    {
        foreach ((int index, UpdateRefusedException reason) in refused)
        {
            ReplyTaken taken = run.State.Replies[positions[index]]!;
            await run.RecordAsync(taken with { Outcome = ClientOutcome.Refused, Reason = reason.Code }, ct).ConfigureAwait(false);
        }
    }

    private IUpdateSource SourceOf(int position)
    {
        Flight flight = flights[position];
        IUpdateSource source = flight.Update!;
        if (run.Plan.Codec is not null || run.Plan.Discloses(Disclosure.ClientMetrics)) source = flight.Observed = new ObservedUpdate(source);

        // Its weight stays what it is: the sum is divided by the weight of fresh updates.
        double factor = mode.FactorOf(flight);
        return factor == 1 ? source : new ScaledUpdate(source, (float)factor);
    }

    private ValueTask AbandonAsync(string reason, int[] reported, SecureSumReceipt? formed, CancellationToken ct) =>
        CloseAsync(_receipts.Write(committed: false, reason, reported, formed), reported, [], ct);

    private async ValueTask ApplyAsync(AggregationResult result, int[] positions, SecureSumReceipt? formed, CancellationToken ct)
    {
        (UpdateSum sum, ServerState server, int round) = (result.Sum, run.Server, run.State.OpenRound!.Round);
        double? nextClip = null;
        if (run.Plan.Privacy is { IsAtSites: false } privacy)
        {
            nextClip = privacy.ClipBehind(privacy.ClipBehind(run.State.Rounds), sum, run.Fleet.Clients.Count);
            sum = sum.Weighing(privacy.ExpectedCohort(run.Fleet.Clients.Count));
        }

        IStrategy strategy = run.Plan.Definition.Strategy;
        var context = new RoundContext(run.Plan, round, run.Fleet.Clients.Count);
        strategy.Apply(sum, context, server);
        MoveBuffers(sum, server.Model.Buffers);
        int left = formed is null ? 0 : positions.Length - sum.Contributors;
        string reason = run.State.Closed!.Reason + (left == 0 ? "" : $", and {left} of them left while they were summed");
        RoundReceipt receipt = _receipts.Write(committed: true, reason, positions, formed) with
        {
            Contributors = sum.Contributors,
            Weight = sum.Weight,
            Metrics = run.Plan.Metrics.Means(sum, "", "local").Concat(strategy.Results(sum, context)).ToDictionary(StringComparer.Ordinal),
        };
        if (nextClip is not null) receipt = receipt with { Privacy = receipt.Privacy! with { NextClip = nextClip } };
        await CloseAsync(receipt, positions, [.. result.Discarded.Select(index => positions[index])], ct).ConfigureAwait(false);
        if (!VectorBlocks.IsFinite(server.Model.Trainable, server.Model.Trainable.Length) || !VectorBlocks.IsFinite(server.Model.Buffers, server.Model.Buffers.Length))
            await run.RecordAsync(ending.Diverged($"round {round} left a model that is not finite"), ct).ConfigureAwait(false);
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

    // What a client keeps for its update counts where the update does: not where a rule chose others.
    private async ValueTask CloseAsync(RoundReceipt receipt, int[] reported, int[] discarded, CancellationToken ct)
    {
        (TrainTask Task, bool Counts)[] settled =
            [.. reported.Select(p => (flights[p].Task, receipt.Committed && run.State.OutcomeOf(p) == ClientOutcome.Reported && !discarded.Contains(p)))];
        IReadOnlyList<Flight> staying = mode.Staying();
        await run.RecordAsync(new RoundEnded(receipt, await CommitAsync(receipt, ct).ConfigureAwait(false)), ct).ConfigureAwait(false);
        foreach ((TrainTask task, bool counts) in settled) run.Fleet.Settle(task, counts);
        flights.Keep(staying);
    }

    // Where a round counts only with its checkpoint, the checkpoint is safe before the fact that the round ended is.
    private async ValueTask<string?> CommitAsync(RoundReceipt receipt, CancellationToken ct)
    {
        if (run.Options.Checkpoints is not { CommitsRounds: true } store) return null;
        return receipt.Committed ? await store.SaveAsync(receipt.Round, run.Server, ct).ConfigureAwait(false) : run.State.Checkpoint?.Digest;
    }
}
