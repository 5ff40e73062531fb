using System.Security.Cryptography;
using FedCore.Aggregation;
using FedCore.SecureAggregation;
using FedCore.SecureAggregation.Graphs;
using FedCore.SecureAggregation.Messages;
using FedCore.Updates;

namespace FedCore.Rounds.Engine;

/// <summary>
/// Sums what clients have for a round so that nobody but they sees it: holds a session with those who are ready, and where too many vanish another one with the rest, unless
/// somebody may have helped to unmask the first.
/// </summary>
internal sealed class SecureSum(ActiveRun run, ReplyQueue replies, AggregationResources resources)
{
    /// <summary>Of the last sum that did not come about: who made it fail, by the place among the participants, and why.</summary>
    public IReadOnlyDictionary<int, UpdateRefusedException> Refused { get; private set; } = new Dictionary<int, UpdateRefusedException>();

    private readonly SecureAggregationPolicy _policy = run.Plan.Definition.SecureAggregation!;
    private string[] _names = [];

    /// <summary>Forms a sum.</summary>
    /// <param name="purpose">Of what.</param>
    /// <param name="participants">Who is ready.</param>
    /// <param name="least">A sum of fewer is of no use, and so is not formed.</param>
    /// <param name="ct">Cancels the work.</param>
    /// <returns>The sum, who is not in it and why, and what a receipt says of it. The caller returns the sum's vector to the pool.</returns>
    /// <exception cref="SecureAggregationException">No attempt came to a sum.</exception>
    public async ValueTask<(AggregationResult Result, SecureSumReceipt Receipt)> SumAsync(
        SumPurpose purpose, IReadOnlyList<ReadyClient> participants, int least, CancellationToken ct)
    {
        least = Math.Max(least, _policy.MinimumCohort);
        var refused = new SortedDictionary<int, UpdateRefusedException>();
        Refused = refused;
        _names = [.. participants.Select(participant => participant.Client.Id.Name)];
        SumOpened? before = run.State.OpenSum is { } open && open.Purpose == purpose ? open : null;
        if (before is not null)
        {
            foreach (int index in Enumerable.Range(0, participants.Count).Where(index => !before.Clients.Contains(participants[index].Client.Id.Name)))
                refused.Add(index, new UpdateRefusedException("secagg.late", $"Client '{participants[index].Client.Id}' was left out of the session."));
        }

        SecureSession? failed = null;
        for (int attempt = before is null ? 1 : SessionTerms.Decode(before.Terms).Attempt; ; attempt++)
        {
            int[] ready = [.. Enumerable.Range(0, participants.Count).Where(index => !refused.ContainsKey(index))];
            if (ready.Length < least)
                throw new SecureAggregationException(SecureAggregationCodes.Cohort, $"{ready.Length} of {participants.Count} clients can be summed, but the sum is of at least {least}{Because(refused)}");
            var session = new SecureSession(run, replies, resources, run.Plan.RingFor(purpose, ready.Length, (participants[0].Task as TrainTask)?.Work.UpdateClip), [.. ready.Select(index => participants[index])]);
            try
            {
                if (before is null) await ReserveAsync(purpose, session, ct).ConfigureAwait(false);
                SessionTerms? terms = run.Options.SumsInTheOpen ? null : await OpenAsync(before, purpose, attempt, session, ct).ConfigureAwait(false);
                failed?.Release();
                (UpdateSum sum, SecureSumReceipt receipt) =
                    terms is null ? await session.SumInTheOpenAsync(attempt, least, ct).ConfigureAwait(false) : await session.HoldAsync(terms, least, ct).ConfigureAwait(false);
                Note(session.Lost, ready, refused);
                return (new AggregationResult(sum, [.. refused.Select(pair => (pair.Key, pair.Value))]), receipt);
            }
            catch (SecureAggregationException) when (!session.IsRevealed && attempt < _policy.Attempts && session.Lost.Count + session.Silent.Count > 0)
            {
                Note(session.LeftOut, ready, refused);
                (before, failed) = (null, session);
            }
            catch (SecureAggregationException fault)
            {
                Note(session.LeftOut, ready, refused);
                throw refused.Count == 0 ? fault : new SecureAggregationException(fault.Code, $"{fault.Message.TrimEnd('.')}; of {participants.Count} who were ready{Because(refused)[1..]}", fault);
            }
        }
    }

    // Before anybody sends a masked input. The noise of a session that goes on is what its clients have added already.
    private async ValueTask ReserveAsync(SumPurpose purpose, SecureSession session, CancellationToken ct)
    {
        if (purpose == SumPurpose.Update && session.Ring.Encoding.Noise is { } noise) await run.Noise.ReserveAsync(noise.EventOf(noise.Sharers), ct).ConfigureAwait(false);
    }

    // The terms of a session that an earlier process began are in the journal, since clients have signed them.
    private async ValueTask<SessionTerms> OpenAsync(SumOpened? before, SumPurpose purpose, int attempt, SecureSession session, CancellationToken ct)
    {
        if (before is not null)
        {
            var begun = SessionTerms.Decode(before.Terms);
            return begun.Encoding.Span.SequenceEqual(session.Ring.Encoding.Digest()) && begun.Invited == session.Clients.Count ? begun : throw new SecureAggregationException(
                SecureAggregationCodes.Terms, "The session that an earlier process began writes vectors into the ring otherwise than this one would, or had other clients.");
        }

        SessionTerms terms = TermsOf(purpose, attempt, session);
        await run.RecordAsync(new SumOpened(terms.Round, purpose, terms.Encode(), session.Clients), ct).ConfigureAwait(false);
        return terms;
    }

    private static void Note(IEnumerable<KeyValuePair<int, UpdateRefusedException>> lost, int[] ready, SortedDictionary<int, UpdateRefusedException> refused)
    {
        foreach ((int member, UpdateRefusedException reason) in lost) refused.Add(ready[member], reason);
    }

    private string Because(SortedDictionary<int, UpdateRefusedException> refused) => refused.Count == 0
        ? "."
        : $": {string.Join("; ", refused.GroupBy(pair => pair.Value.Code, pair => _names[pair.Key]).Select(names => $"{names.Count()} {names.Key} ({Shown.List(names)})"))}.";

    private SessionTerms TermsOf(SumPurpose purpose, int attempt, SecureSession session) => new()
    {
        Run = run.Plan.Hash,
        Purpose = purpose,
        Round = session.Round,
        Attempt = attempt,
        Nonce = RandomNumberGenerator.GetBytes(SessionTerms.NonceLength),
        Encoding = session.Ring.Encoding.Digest(),
        Assignment = AssignmentOf(session.Tasks),
        Invited = session.Clients.Count,
        Graph = GraphFor(session.Clients.Count),
        MinimumCohort = _policy.MinimumCohort,
        MaximumDropout = _policy.MaximumDropout,
    };

    // What is safe for the cohort that the run wants need not be for those of it who are ready.
    private GraphParameters GraphFor(int clients)
    {
        try
        {
            return _policy.GraphFor(clients);
        }
        catch (FedCoreException fault)
        {
            throw new SecureAggregationException(fault.Code, fault.Message, fault);
        }
    }

    private ReadOnlyMemory<byte> AssignmentOf(IEnumerable<SiteTask> tasks)
    {
        ReadOnlyMemory<byte>[] all = [.. tasks.Select(run.Fleet.AssignmentOf)];
        return all.All(one => one.Span.SequenceEqual(all[0].Span)) ? all[0] : throw new SecureAggregationException(
            SecureAggregationCodes.Assignment, "The strategy gave the clients different work, but a secure sum is of clients who were given the same.");
    }
}
