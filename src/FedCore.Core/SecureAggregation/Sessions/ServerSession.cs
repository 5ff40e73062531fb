using System.Security.Cryptography;
using FedCore.Aggregation;
using FedCore.SecureAggregation.Graphs;
using FedCore.SecureAggregation.Identity;
using FedCore.SecureAggregation.Messages;
using FedCore.SecureAggregation.Sharing;
using FedCore.SecureAggregation.Suites;

namespace FedCore.SecureAggregation.Sessions;

/// <summary>
/// The aggregator in one session of secure aggregation: messages in, messages out. Stage by stage it takes what clients send, is told that nobody else is waited for, and says
/// what goes to whom; masked inputs themselves are somebody else's to keep and to sum. The same messages and closings lead to the same state, so that it can be made again from a journal.
/// </summary>
/// <param name="terms">The terms that were proposed.</param>
/// <param name="sites">Whose signatures are believed. What the others would refuse of a client, and the aggregator can see, is refused here already, so that it does not make them leave.</param>
/// <param name="minimum">A sum of fewer is of no use to the aggregator, which unmasks none then, whatever the terms allow.</param>
public sealed class ServerSession(SessionTerms terms, ISiteIdentities sites, int minimum = 0) : IDisposable
{
    private readonly ISecureAggregationSuite _suite = SecureAggregationSuites.Find(terms.Suite) ?? throw new ArgumentException($"There is no suite {terms.Suite}.", nameof(terms));
    private readonly byte[] _session = terms.Digest();
    private readonly Dictionary<string, Advertisement> _advertisements = new(StringComparer.Ordinal);
    private readonly Dictionary<string, IAgreementPeer> _maskKeys = new(StringComparer.Ordinal);
    private readonly SortedDictionary<int, ReadOnlyMemory<byte>[]> _shares = [];
    private readonly SortedSet<int> _masked = [];
    private readonly SortedDictionary<int, byte[]> _confirmations = [];
    private readonly ShareCollection _collected = new();
    private AdvertisementList? _members;
    private MaskGraph? _graph;
    private int[][] _neighbours = [];
    private MemberSet? _survivors;

    /// <summary>The stage that messages are taken for.</summary>
    public SessionStage Stage { get; private set; }

    /// <summary>The names of those who take part, in the order of their numbers.</summary>
    public IReadOnlyList<string> Members => [.. (_members?.Members ?? []).Select(member => member.Name)];

    /// <summary>The names of those who have sent what the stage is about.</summary>
    public IReadOnlyList<string> Arrived => Stage switch
    {
        SessionStage.Advertise => [.. _advertisements.Keys.Order(StringComparer.Ordinal)],
        SessionStage.Share => Names(_shares.Keys),
        SessionStage.Mask => Names(_masked),
        SessionStage.Confirm => Names(_confirmations.Keys),
        _ => Names(_collected.From),
    };

    /// <summary>The names of those who are to send what the stage is about; not known before the first one is over.</summary>
    public IReadOnlyList<string> Awaited => Stage switch
    {
        SessionStage.Advertise => [],
        SessionStage.Share => Members,
        SessionStage.Mask => Names(_shares.Keys),
        SessionStage.Confirm => Names(_masked),
        _ => Names(_confirmations.Keys),
    };

    /// <summary>Clients whose shares of others' secrets turned out to be wrong.</summary>
    public IReadOnlyList<string> Liars => Names(_collected.Liars);

    /// <summary>Round 0: takes a client's keys.</summary>
    /// <param name="from">Who sent them.</param>
    /// <param name="message">The advertisement.</param>
    /// <exception cref="SecureAggregationException">It cannot be used, or another came before.</exception>
    public void AcceptAdvertisement(string from, ReadOnlySpan<byte> message)
    {
        RequireStage(SessionStage.Advertise);
        var advertisement = Advertisement.Decode(message, _suite);
        if (advertisement.Name != from) throw Refused(SecureAggregationCodes.Stranger, $"Client '{Shown.Of(from)}' sent the advertisement of '{Shown.Of(advertisement.Name)}'.");
        if (!sites.TryFind(from, out ReadOnlyMemory<byte> key)) throw Refused(SecureAggregationCodes.Roster, $"Client '{Shown.Of(from)}' is not in the roster.");
        if (!_suite.Verify(key.Span, advertisement.SignedBytes(_session), advertisement.Signature.Span))
            throw Refused(SecureAggregationCodes.Signature, $"The advertisement of client '{Shown.Of(from)}' is not signed with its identity key for this session.");
        if (_advertisements.TryGetValue(from, out Advertisement? earlier))
        {
            if (!earlier.Encode().AsSpan().SequenceEqual(message)) throw Repeated(from);
            return;
        }

        if (_advertisements.Count == terms.Invited) throw Refused(SecureAggregationCodes.Stranger, $"{terms.Invited} clients were invited and have advertised; '{Shown.Of(from)}' is one more.");
        try
        {
            _suite.ImportPeer(advertisement.ShareKey.Span).Dispose();
            _maskKeys.Add(from, _suite.ImportPeer(advertisement.MaskKey.Span));
        }
        catch (CryptographicException fault)
        {
            throw new SecureAggregationException(SecureAggregationCodes.Key, $"A public key of client '{Shown.Of(from)}' is no point of the curve.", fault);
        }

        _advertisements.Add(from, advertisement);
    }

    /// <summary>Ends round 0.</summary>
    /// <returns>The list of advertisements, for every client.</returns>
    /// <exception cref="SecureAggregationException">Too few came (<c>secagg.cohort</c>).</exception>
    public byte[] CloseAdvertising()
    {
        RequireStage(SessionStage.Advertise);
        int least = Math.Max(minimum, terms.LeastSurvivors(terms.Invited));
        if (_advertisements.Count < least)
            throw Refused(SecureAggregationCodes.Cohort, $"{_advertisements.Count} of {terms.Invited} clients advertised their keys, but the sum is of at least {least}.");
        _members = AdvertisementList.Create(_advertisements.Values);
        _graph = _members.Graph(terms);
        _neighbours = [.. Enumerable.Range(0, _graph.Members).Select(_graph.NeighboursOf)];
        Stage = SessionStage.Share;
        return _members.Encoded;
    }

    /// <summary>Round 1: takes a client's sealed shares.</summary>
    /// <param name="from">Who sent them.</param>
    /// <param name="message">The shares.</param>
    /// <exception cref="SecureAggregationException">They cannot be used, or others came before.</exception>
    public void AcceptShares(string from, ReadOnlyMemory<byte> message)
    {
        RequireStage(SessionStage.Share);
        int member = NumberOf(from, Enumerable.Range(0, _graph!.Members));
        ReadOnlyMemory<byte>[] shares = SealedShares.Decode(message.ToArray(), _neighbours[member].Length, _suite);
        if (_shares.TryGetValue(member, out ReadOnlyMemory<byte>[]? earlier) && !earlier.Zip(shares).All(pair => pair.First.Span.SequenceEqual(pair.Second.Span))) throw Repeated(from);
        _shares[member] = shares;
    }

    /// <summary>Ends round 1. Then <see cref="DeliveryTo"/> says what goes to each.</summary>
    /// <exception cref="SecureAggregationException">Too few shared (<c>secagg.missing</c>).</exception>
    public void CloseSharing()
    {
        RequireStage(SessionStage.Share);
        RequireEnough(_shares.Count, "sent their shares");
        Stage = SessionStage.Mask;
    }

    /// <summary>The shares that arrived for a client.</summary>
    /// <param name="to">One of those who shared.</param>
    /// <returns>The message.</returns>
    public byte[] DeliveryTo(string to)
    {
        int member = NumberOf(to, _shares.Keys);
        return new DeliveredShares([.. _neighbours[member].Where(_shares.ContainsKey).Select(from => (from, _shares[from][Array.IndexOf(_neighbours[from], member)]))]).Encode();
    }

    /// <summary>Round 2: notes that a client's masked input is there.</summary>
    /// <param name="from">Who sent it.</param>
    /// <exception cref="SecureAggregationException">It is not due.</exception>
    public void AcceptMaskedInput(string from)
    {
        RequireStage(SessionStage.Mask);
        _masked.Add(NumberOf(from, _shares.Keys));
    }

    /// <summary>Ends round 2: those whose masked inputs are there are the survivors, and the sum is theirs.</summary>
    /// <returns>The set of survivors, for each of them.</returns>
    /// <exception cref="SecureAggregationException">Too few survived (<c>secagg.missing</c>).</exception>
    public byte[] CloseMasking()
    {
        RequireStage(SessionStage.Mask);
        RequireEnough(_masked.Count, "sent their masked inputs");
        _survivors = new MemberSet(_graph!.Members, _masked);
        Stage = SessionStage.Confirm;
        return _survivors.Bits.ToArray();
    }

    /// <summary>Round 3: takes a client's signature of the set of survivors.</summary>
    /// <param name="from">Who sent it.</param>
    /// <param name="message">The signature.</param>
    /// <exception cref="SecureAggregationException">It is not of this set.</exception>
    public void AcceptConfirmation(string from, ReadOnlySpan<byte> message)
    {
        RequireStage(SessionStage.Confirm);
        int member = NumberOf(from, _masked);
        sites.TryFind(from, out ReadOnlyMemory<byte> key);
        if (!_suite.Verify(key.Span, Confirmation.SignedBytes(_session, _members!.Hash, _survivors!), message))
            throw Refused(SecureAggregationCodes.Signature, $"What client '{Shown.Of(from)}' signed is not the set of survivors.");
        _confirmations[member] = message.ToArray();
    }

    /// <summary>Ends round 3. Then <see cref="UnmaskRequestTo"/> says what goes to each.</summary>
    /// <exception cref="SecureAggregationException">Too few signed for a secret to be recovered (<c>secagg.missing</c>).</exception>
    public void CloseConfirming()
    {
        RequireStage(SessionStage.Confirm);
        if (_confirmations.Count < terms.Graph.Threshold)
            throw Refused(SecureAggregationCodes.Missing, $"{_confirmations.Count} of {_masked.Count} survivors signed who survived, but at least {terms.Graph.Threshold} must. Missing: {Missing(_masked.Except(_confirmations.Keys))}.");
        Stage = SessionStage.Unmask;
    }

    /// <summary>What a client is asked for in round 4.</summary>
    /// <param name="to">One of those who signed.</param>
    /// <returns>The message.</returns>
    public byte[] UnmaskRequestTo(string to)
    {
        int member = NumberOf(to, _confirmations.Keys);
        int[] holders = [.. HoldersFor(member)];
        return new UnmaskRequest(
            _survivors!,
            [.. holders.Where(_confirmations.ContainsKey).Take(terms.Graph.Threshold).Select(from => (from, (ReadOnlyMemory<byte>)_confirmations[from]))],
            [.. holders.Where(_masked.Contains)],
            [.. holders.Where(holder => _shares.ContainsKey(holder) && !_masked.Contains(holder))]).Encode();
    }

    /// <summary>Round 4: takes a client's shares of others' secrets.</summary>
    /// <param name="from">Who sent them.</param>
    /// <param name="message">The shares, in the order of the request.</param>
    /// <exception cref="SecureAggregationException">They are not of the form they must have, or others came before.</exception>
    public void AcceptUnmasking(string from, ReadOnlyMemory<byte> message)
    {
        RequireStage(SessionStage.Unmask);
        int member = NumberOf(from, _confirmations.Keys);
        int[] holders = [.. HoldersFor(member)], targets = [.. holders.Where(_masked.Contains), .. holders.Where(holder => _shares.ContainsKey(holder) && !_masked.Contains(holder))];
        if (message.Length != targets.Length * SecretSharing.ShareLength)
            throw Refused(SecureAggregationCodes.Message, $"Client '{Shown.Of(from)}' sent {message.Length} bytes of shares, but {targets.Length} shares are {targets.Length * SecretSharing.ShareLength}.");
        ReadOnlyMemory<byte>[] shares = [.. Enumerable.Range(0, targets.Length).Select(i => (ReadOnlyMemory<byte>)message.Slice(i * SecretSharing.ShareLength, SecretSharing.ShareLength).ToArray())];
        if (!shares.All(share => SecretSharing.IsShare(share.Span))) throw Refused(SecureAggregationCodes.Share, $"A share that client '{Shown.Of(from)}' sent is none.");
        if (!_collected.Add(member, targets, shares)) throw Repeated(from);
    }

    /// <summary>Whether enough shares are there to recover every secret that the sum needs.</summary>
    public bool CanUnmask => Stage == SessionStage.Unmask && _shares.Keys.All(member => _collected.CountOf(member) >= terms.Graph.Threshold);

    /// <summary>Ends the session: recovers the secrets, and with them the masks that are left in the sum of the survivors' inputs.</summary>
    /// <param name="resources">Threads, which share the secrets among them.</param>
    /// <returns>The masks, to be taken off the sum; the caller disposes of them.</returns>
    /// <exception cref="SecureAggregationException">Shares are missing (<c>secagg.missing</c>), or are of no secret that was promised (<c>secagg.commitment</c>).</exception>
    public async Task<SumMask> UnmaskAsync(AggregationResources resources)
    {
        ArgumentNullException.ThrowIfNull(resources);
        RequireStage(SessionStage.Unmask);
        var keys = new KeySchedule(_suite, _session, _members!.Hash);
        var mask = new SumMask();
        int[] sharers = [.. _shares.Keys];
        foreach (int member in sharers) RequireShares(member);
        int next = -1;
        Task WorkAsync()
        {
            while (Interlocked.Increment(ref next) is var i && i < sharers.Length) Include(mask, keys, sharers[i]);
            return Task.CompletedTask;
        }

        try
        {
            await resources.RunAsync(Math.Clamp(resources.Threads, 1, sharers.Length), WorkAsync).ConfigureAwait(false);
        }
        catch
        {
            mask.Dispose();
            throw;
        }

        Stage = SessionStage.Over;
        return mask;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (IAgreementPeer key in _maskKeys.Values) key.Dispose();
        _maskKeys.Clear();
    }

    // Of a survivor its self mask is left; of another one its masks against the survivors.
    private void Include(SumMask mask, KeySchedule keys, int member)
    {
        Advertisement advertisement = _members!.Members[member];
        bool isSurvivor = _masked.Contains(member);
        byte[] seed = Recover(member, isSurvivor
            ? seed => CryptographicOperations.FixedTimeEquals(KeySchedule.Commitment(_session, seed), advertisement.Commitment.Span)
            : seed => IsMaskKey(seed, advertisement));
        if (isSurvivor)
        {
            mask.Include(keys.SelfMask(seed), isAdded: false);
        }
        else
        {
            using IAgreementKey key = _suite.CreateAgreementKey(seed);
            foreach (int survivor in _neighbours[member].Where(_masked.Contains))
                mask.Include(keys.PairMask(key, _maskKeys[_members.Members[survivor].Name], member, survivor), isAdded: survivor > member);
        }

        CryptographicOperations.ZeroMemory(seed);
    }

    private byte[] Recover(int member, Predicate<byte[]> isPromised) => _collected.Recover(member, terms.Graph.Threshold, isPromised) ?? throw Refused(
        SecureAggregationCodes.Commitment, $"The shares of a secret of client '{Shown.Of(_members!.Members[member].Name)}' give another one than it promised: one who holds them, or the client itself, lied.");

    private void RequireShares(int member)
    {
        if (_collected.CountOf(member) >= terms.Graph.Threshold) return;
        throw Refused(SecureAggregationCodes.Missing, $"{_collected.CountOf(member)} shares of a secret of client '{Shown.Of(_members!.Members[member].Name)}' came in, but {terms.Graph.Threshold} recover it. "
            + $"Missing: {Missing(HoldersFor(member).Where(holder => _masked.Contains(holder) && !_collected.From.Contains(holder)))}.");
    }

    private bool IsMaskKey(byte[] seed, Advertisement advertisement)
    {
        using IAgreementKey key = _suite.CreateAgreementKey(seed);
        return key.PublicKey.Span.SequenceEqual(advertisement.MaskKey.Span);
    }

    // Those whose secrets a client holds shares of: its neighbours, and in a complete graph itself.
    private IEnumerable<int> HoldersFor(int member) => _graph!.IsComplete ? Enumerable.Range(0, _graph.Members) : _neighbours[member];

    private int NumberOf(string name, IEnumerable<int> allowed)
    {
        int member = _members!.NumberOf(name);
        return member >= 0 && allowed.Contains(member) ? member : throw Refused(SecureAggregationCodes.Stranger, $"Client '{Shown.Of(name)}' has no part in this stage.");
    }

    private void RequireEnough(int count, string did)
    {
        int members = _graph!.Members, least = Math.Max(minimum, terms.LeastSurvivors(members));
        if (count < least)
        {
            IEnumerable<int> there = Stage == SessionStage.Share ? _shares.Keys : _masked;
            throw Refused(SecureAggregationCodes.Missing, $"{count} of {members} clients {did}, but the sum is of at least {least}. Missing: {Missing(Enumerable.Range(0, members).Except(there))}.");
        }
    }

    private void RequireStage(SessionStage stage)
    {
        if (Stage != stage) throw Refused(SecureAggregationCodes.Order, $"The session is at stage {Stage}, not {stage}.");
    }

    private string Missing(IEnumerable<int> members) => Shown.List(Names(members));

    private string[] Names(IEnumerable<int> members) => [.. members.Select(member => _members!.Members[member].Name)];

    private static SecureAggregationException Repeated(string from) => Refused(SecureAggregationCodes.Repeated, $"Client '{Shown.Of(from)}' sent something else before.");

    private static SecureAggregationException Refused(string code, string message) => new(code, message);
}
