using System.Security.Cryptography;
using FedCore.Aggregation;
using FedCore.SecureAggregation;
using FedCore.SecureAggregation.Messages;
using FedCore.SecureAggregation.Ring;
using FedCore.Updates;

namespace FedCore.Rounds.Engine;

/// <summary>
/// Sums what clients have for a round so that nobody but they sees it: holds a session with those who are ready, and where too many vanish another one with the rest, unless
/// somebody may have helped to unmask the first.
/// </summary>
internal sealed class SecureSum(ActiveRun run, ReplyQueue replies, AggregationResources resources)
{
    private readonly SecureAggregationPolicy _policy = run.Plan.Definition.SecureAggregation!;

    /// <summary>Forms a sum.</summary>
    /// <param name="purpose">Of what.</param>
    /// <param name="participants">Who is ready.</param>
    /// <param name="ct">Cancels the work.</param>
    /// <returns>The sum, who is not in it and why, and what a receipt says of it. The caller returns the sum's vector to the pool.</returns>
    /// <exception cref="SecureAggregationException">No attempt came to a sum.</exception>
    public async ValueTask<(AggregationResult Result, SecureSumReceipt Receipt)> SumAsync(
        SumPurpose purpose, IReadOnlyList<ReadyClient> participants, CancellationToken ct)
    {
        var refused = new SortedDictionary<int, UpdateRefusedException>();
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
            if (ready.Length < _policy.MinimumCohort)
                throw new SecureAggregationException(SecureAggregationCodes.Cohort, $"{ready.Length} of {participants.Count} clients can be summed, but a sum is of at least {_policy.MinimumCohort}{Because(refused)}");
            var session = new SecureSession(run, replies, resources, run.Plan.RingFor(purpose, ready.Length), [.. ready.Select(index => participants[index])]);
            try
            {
                SessionTerms? terms = run.Options.SumsInTheOpen ? null : await OpenAsync(before, purpose, attempt, session, ct).ConfigureAwait(false);
                failed?.Release();
                (UpdateSum sum, SecureSumReceipt receipt) =
                    terms is null ? await session.SumInTheOpenAsync(attempt, ct).ConfigureAwait(false) : await session.HoldAsync(terms, ct).ConfigureAwait(false);
                Note(session.Lost, ready, refused);
                return (new AggregationResult(sum, [.. refused.Select(pair => (pair.Key, pair.Value))]), receipt);
            }
            catch (SecureAggregationException) when (!session.IsRevealed && attempt < _policy.Attempts && session.Lost.Count + session.Silent.Count > 0)
            {
                // Who vanished or refused is left out of the next attempt.
                Note(session.Lost.Concat(session.Silent), ready, refused);
                (before, failed) = (null, session);
            }
        }
    }

    // The terms of a session that an earlier process began are in the journal, since clients have signed them.
    private async ValueTask<SessionTerms> OpenAsync(SumOpened? before, SumPurpose purpose, int attempt, SecureSession session, CancellationToken ct)
    {
        if (before is not null) return SessionTerms.Decode(before.Terms);
        SessionTerms terms = TermsOf(purpose, session.Round, attempt, session.Clients.Count, session.Ring);
        await run.RecordAsync(new SumOpened(terms.Round, purpose, terms.Encode(), session.Clients), ct).ConfigureAwait(false);
        return terms;
    }

    private static void Note(IEnumerable<KeyValuePair<int, UpdateRefusedException>> lost, int[] ready, SortedDictionary<int, UpdateRefusedException> refused)
    {
        foreach ((int member, UpdateRefusedException reason) in lost) refused.Add(ready[member], reason);
    }

    private static string Because(SortedDictionary<int, UpdateRefusedException> refused) =>
        refused.Count == 0 ? "." : $": {string.Join(", ", refused.Values.GroupBy(reason => reason.Code).Select(reasons => $"{reasons.Count()} {reasons.Key}"))}.";

    private SessionTerms TermsOf(SumPurpose purpose, int round, int attempt, int invited, UpdateRing ring) => new()
    {
        Run = run.Plan.Hash,
        Purpose = purpose,
        Round = round,
        Attempt = attempt,
        Nonce = RandomNumberGenerator.GetBytes(SessionTerms.NonceLength),
        Encoding = ring.Encoding.Digest(),
        Invited = invited,
        Graph = _policy.GraphFor(invited),
        MinimumCohort = _policy.MinimumCohort,
        MaximumDropout = _policy.MaximumDropout,
    };
}
