using System.Buffers;
using FedCore.Client.Outbox;
using FedCore.Client.Privacy;
using FedCore.Client.Settings;
using FedCore.Client.Storage;
using FedCore.Client.Tasks;
using FedCore.Client.Telemetry;
using FedCore.Privacy.Sampling;
using FedCore.Protocol.V1;
using FedCore.SecureAggregation;
using FedCore.SecureAggregation.Identity;
using FedCore.SecureAggregation.Messages;
using FedCore.SecureAggregation.Ring;
using FedCore.SecureAggregation.Sessions;
using Microsoft.Extensions.Logging;

namespace FedCore.Client.SecureSums;

/// <summary>
/// The site's part in secure sums. A session's keys are in memory only: a client that was started anew is lost for the session that was open, and for nothing else. For one task at a time.
/// </summary>
internal sealed class ExchangeDesk(ClientSettings settings, DataFolder folder, UpdateOutbox outbox, SiteIdentity identity, SiteLedger ledger, ILogger log) : IDisposable
{
    /// <summary>The code of a message about a session that this process does not have.</summary>
    public const string SessionLost = "secagg.session-lost";

    /// <summary>The code of a session about a result that is not here.</summary>
    public const string NoResult = "secagg.result";

    private readonly Dictionary<(string Run, SumPurpose Purpose), OpenSession> _sessions = [];

    /// <summary>Answers a message.</summary>
    /// <param name="offer">The task.</param>
    /// <param name="room">Its run.</param>
    /// <param name="target">Receives the answer.</param>
    /// <param name="ct">Cancels the waiting for the ledger.</param>
    /// <exception cref="FedCoreException">The site does not take part, or not any more, and why.</exception>
    public async Task AnswerAsync(TaskOffer offer, RunRoom room, IBufferWriter<byte> target, CancellationToken ct)
    {
        ExchangeWork work = offer.Exchange;
        UpdateRecord result = outbox.FindResult(work.OfTask) is { } found && found.Run == offer.RunId && found.Hash == HashOf(room) && found.Round == offer.Round
            ? found
            : throw FedCoreException.RunFailed(NoResult, $"A sum is to be formed of what task {work.OfTask} came to, but the site has no result of it for round {offer.Round}.");
        if (work.Stage == ExchangeStage.Advertise)
        {
            target.Write(Begin(offer, room, result).Advertise());
            return;
        }

        OpenSession open = _sessions.GetValueOrDefault((result.StateFolder, PurposeOf(result))) is { } mine && mine.Result == result && mine.Terms.AsSpan().SequenceEqual(work.Terms.Span)
            ? mine
            : throw FedCoreException.RunFailed(SessionLost, "The session began before this client was started: its keys are gone. The others go on without it.");
        switch (work.Stage)
        {
            case ExchangeStage.Share:
                open.Offered.Take(work.Identities);
                target.Write(open.Session.Share(work.Message.Span));
                break;
            case ExchangeStage.Mask:
                if (result.IsTraining) await ledger.MaskAsync(result.Run, room.Plan, result.Round, result.Assignment!, open.Ring.Encoding.Noise, ct).ConfigureAwait(false);
                using (var noise = new SystemRandomBytes())
                using (UpdateFileReader input = outbox.OpenResult(result))
                using (InputMask mask = open.Session.Mask(work.Message.Span, open.Ring.Encoding.ScalarCount))
                    open.Ring.Write(input, room.Plan.Random.Stream("ring", result.Round, room.Site), noise, mask, target);
                break;
            case ExchangeStage.Confirm:
                target.Write(open.Session.Confirm(work.Message.Span));
                break;
            default:
                target.Write(open.Session.Unmask(work.Message.Span));
                break;
        }
    }

    /// <summary>Ends the sessions whose results are done with.</summary>
    public void Forget()
    {
        foreach (((string, SumPurpose) key, OpenSession session) in _sessions.ToArray())
        {
            if (outbox.FindResult(session.Result.Task) == session.Result) continue;
            _sessions.Remove(key);
            session.Dispose();
        }
    }

    public void Dispose()
    {
        foreach (OpenSession session in _sessions.Values) session.Dispose();
        _sessions.Clear();
    }

    private ClientSession Begin(TaskOffer offer, RunRoom room, UpdateRecord result)
    {
        var terms = SessionTerms.Decode(offer.Exchange.Terms.Span);
        (SumPurpose purpose, string run) = (PurposeOf(result), result.StateFolder);
        if (_sessions.TryGetValue((run, purpose), out OpenSession? last) && last.Result == result && last.Terms.AsSpan().SequenceEqual(offer.Exchange.Terms.Span)) return last.Session;
        UpdateRing ring = room.Plan.RingFor(purpose, terms.Invited, result.UpdateClip);
        using (UpdateFileReader input = outbox.OpenResult(result)) ring.Check(input);
        var history = KeptHistory.Open(folder, result.Run, result.Hash, purpose, result.Assignment!);
        if (purpose == SumPurpose.Evaluation && history.HasSummed)
            throw new SecureAggregationException(SecureAggregationCodes.Retry, "The metrics of this very model were summed in the last sum: with another sum over nearly the same sites, the difference would be somebody's.");
        var offered = new OfferedKeys();
        ISiteIdentities sites = (ISiteIdentities?)RosterFor(room.Site) ?? offered;
        var party = new ClientParty(room.Site, identity.Key, sites, settings.SecureAggregation, history);
        var session = new ClientSession(terms, party, new SessionExpectation(room.Plan.Hash, purpose, result.Round, ring.Encoding.Digest(), Convert.FromHexString(result.Assignment!)));
        last?.Dispose();
        _sessions[(run, purpose)] = new OpenSession(session, result, offer.Exchange.Terms.ToByteArray(), ring, offered);
        log.SumBegun(offer.RunId, offer.Round, purpose, terms.Invited, terms.Graph.Threshold, terms.Attempt, sites is Roster ? $"roster {identity.RosterName}" : "as the aggregator says, curious server only");
        return session;
    }

    private Roster? RosterFor(string site)
    {
        if (identity.Roster is not { } roster) return null;
        bool isThere = roster.TryFind(site, out ReadOnlyMemory<byte> key);
        return isThere && key.Span.SequenceEqual(identity.Key.PublicKey.Span) ? roster : throw FedCoreException.Configuration(
            SecureAggregationCodes.Roster, $"Roster {roster.Serial} of {roster.Federation} has {(isThere ? "another key for" : "no")} site '{Shown.Of(site)}': nobody would believe what this client signs. Its key is {Convert.ToBase64String(identity.Key.PublicKey.Span)}");
    }

    private static SumPurpose PurposeOf(UpdateRecord result) => result.IsTraining ? SumPurpose.Update : SumPurpose.Evaluation;

    private static string HashOf(RunRoom room) => room.Plan.Hash["sha256:".Length..];

    private sealed record OpenSession(ClientSession Session, UpdateRecord Result, byte[] Terms, UpdateRing Ring, OfferedKeys Offered) : IDisposable
    {
        public void Dispose() => Session.Dispose();
    }
}
