using System.Collections.Concurrent;
using FedCore.Rounds;
using FedCore.SecureAggregation.Identity;
using FedCore.SecureAggregation.Messages;
using FedCore.SecureAggregation.Sessions;
using FedCore.SecureAggregation.Suites;

namespace FedCore.Simulation;

/// <summary>
/// The simulated clients' side of secure aggregation, with real keys. Who is asked to take part gets an identity key for the whole simulation, which counts as pinned: there is nobody
/// who could lie about it.
/// </summary>
/// <param name="plan">The run.</param>
internal sealed class SimulatedParties(RunPlan plan) : ISiteIdentities, IDisposable
{
    private readonly ConcurrentDictionary<string, ISigningKey> _keys = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<(string Site, SumPurpose Purpose), SessionHistory> _histories = new();
    private readonly ConcurrentDictionary<string, ClientSession> _sessions = new(StringComparer.Ordinal);

    public bool ArePinned => true;

    public bool TryFind(string site, out ReadOnlyMemory<byte> publicKey)
    {
        bool isKnown = _keys.TryGetValue(site, out ISigningKey? key);
        publicKey = key?.PublicKey ?? default;
        return isKnown;
    }

    /// <summary>Answers any message but the one that asks for the masked input.</summary>
    public byte[] Answer(string site, ExchangeTask task) => task.Stage switch
    {
        SessionStage.Advertise => Begin(site, task).Advertise(),
        SessionStage.Share => SessionOf(site).Share(task.Message.Span),
        SessionStage.Confirm => SessionOf(site).Confirm(task.Message.Span),
        SessionStage.Unmask => SessionOf(site).Unmask(task.Message.Span),
        _ => throw new ArgumentOutOfRangeException(nameof(task), task.Stage, "The stage has another answer."),
    };

    /// <summary>What hides the client's input.</summary>
    public InputMask Mask(string site, ExchangeTask task) => SessionOf(site).Mask(task.Message.Span, task.Ring.Encoding.ScalarCount);

    public void Dispose()
    {
        foreach (ClientSession session in _sessions.Values) session.Dispose();
        foreach (ISigningKey key in _keys.Values) key.Dispose();
    }

    private ClientSession SessionOf(string site) => _sessions[site];

    private ClientSession Begin(string site, ExchangeTask task)
    {
        SecureAggregationPolicy policy = plan.Definition.SecureAggregation!;
        SessionTerms terms = task.Terms!;
        var limits = new ClientLimits
        {
            MinimumCohort = policy.MinimumCohort,
            MaximumDropout = policy.MaximumDropout,
            AdversarialRate = policy.AdversarialRate,
            Adversary = policy.Adversary,
        };
        ISigningKey key = _keys.GetOrAdd(site, static _ => SecureAggregationSuites.Default.CreateSigningKey());
        var party = new ClientParty(site, key, this, limits, _histories.GetOrAdd((site, terms.Purpose), static _ => new SessionHistory()));
        var session = new ClientSession(terms, party, new SessionExpectation(plan.Hash, terms.Purpose, task.Round, task.Ring.Encoding.Digest(), terms.Assignment));
        if (_sessions.TryGetValue(site, out ClientSession? last)) last.Dispose();
        return _sessions[site] = session;
    }
}
