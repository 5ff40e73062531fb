using System.Security.Cryptography;
using FedCore.SecureAggregation.Graphs;
using FedCore.SecureAggregation.Masks;
using FedCore.SecureAggregation.Messages;
using FedCore.SecureAggregation.Sharing;
using FedCore.SecureAggregation.Suites;

namespace FedCore.SecureAggregation.Sessions;

/// <summary>
/// A client in one session of secure aggregation: messages in, messages out (Bonawitz et al. 2017, figure 4, on the graph of Bell et al. 2020). It believes nothing that it
/// cannot check, and refuses with a reason; a session that refused is over for this client, which is a loss for the round and for nobody's secret. Its keys live as long as the object does.
/// </summary>
public sealed class ClientSession : IDisposable
{
    private readonly SessionTerms _terms;
    private readonly ClientParty _self;
    private readonly ISecureAggregationSuite _suite;
    private readonly byte[] _session;
    private readonly Dictionary<int, byte[]> _openingKeys = [];

    // Of each neighbour whose shares arrived, and of the client itself where it keeps its own: the share of the self mask's seed and then that of the mask key's.
    private readonly SortedDictionary<int, byte[]> _held = [];
    private readonly RepeatedReply _shared = new("list of advertisements"), _confirmed = new("set of survivors"), _unmasked = new("request for shares");
    private readonly byte[] _selfSeed, _maskSeed;
    private readonly IAgreementKey _shareKey, _maskKey;
    private AdvertisementList? _members;
    private KeySchedule? _keys;
    private MaskGraph? _graph;
    private int[] _neighbours = [];
    private int _number;
    private bool _isMasked, _isOver;
    private MemberSet? _survivors;

    /// <summary>Begins a session.</summary>
    /// <param name="terms">The terms, as the aggregator proposes them.</param>
    /// <param name="self">Who the client is and what it demands.</param>
    /// <param name="expected">What the client knows of the run by itself.</param>
    /// <exception cref="SecureAggregationException">The terms are not those of the run or not allowed (<c>secagg.terms</c>, <c>secagg.cohort</c>), or the session is an old one.</exception>
    public ClientSession(SessionTerms terms, ClientParty self, SessionExpectation expected)
        : this(terms, self, expected, null)
    {
    }

    internal ClientSession(SessionTerms terms, ClientParty self, SessionExpectation expected, SessionCheck? skipped)
    {
        ArgumentNullException.ThrowIfNull(terms);
        ArgumentNullException.ThrowIfNull(self);
        ArgumentNullException.ThrowIfNull(expected);
        (_terms, _self, Skipped) = (terms, self, skipped);
        _suite = SecureAggregationSuites.Find(terms.Suite)
            ?? throw Refused(SecureAggregationCodes.Terms, $"The session uses cryptographic suite {terms.Suite}, which this client does not have.");
        CheckTerms(expected);
        self.History.Begin(terms, skipped);
        _session = terms.Digest();
        (_selfSeed, _maskSeed) = (RandomNumberGenerator.GetBytes(SecretSharing.SecretLength), RandomNumberGenerator.GetBytes(SecretSharing.SecretLength));
        (_shareKey, _maskKey) = (_suite.CreateAgreementKey(), _suite.CreateAgreementKey(_maskSeed));
        var unsigned = new Advertisement(
            self.Name, _shareKey.PublicKey, _maskKey.PublicKey, KeySchedule.Commitment(_session, _selfSeed), RandomNumberGenerator.GetBytes(SessionTerms.NonceLength), default);
        Own = unsigned with { Signature = self.Key.Sign(unsigned.SignedBytes(_session)) };
    }

    /// <summary>How many clients take part, as far as the client was told; 0 before it was.</summary>
    public int Members => _members?.Members.Count ?? 0;

    internal SessionCheck? Skipped { get; }

    internal Advertisement Own { get; }

    /// <summary>Round 0: the client's keys for the session.</summary>
    /// <returns>The advertisement.</returns>
    public byte[] Advertise() => Own.Encode();

    /// <summary>Round 1: splits the client's secrets among its neighbours, once it has checked who they are.</summary>
    /// <param name="advertisements">The list of all who take part.</param>
    /// <returns>The sealed shares.</returns>
    /// <exception cref="SecureAggregationException">The client does not take part with these; the code says why.</exception>
    public byte[] Share(ReadOnlySpan<byte> advertisements)
    {
        CheckOver();
        if (_shared.Recall(advertisements) is { } reply) return reply;
        try
        {
            return _shared.Keep(advertisements, ShareFirst(advertisements));
        }
        catch (SecureAggregationException)
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Round 2: the mask over the client's input, against the neighbours whose shares arrived. It is made once.</summary>
    /// <param name="delivered">The shares.</param>
    /// <param name="scalars">How many numbers of 64 bits the input has.</param>
    /// <returns>The mask, which the caller applies once and disposes of.</returns>
    /// <exception cref="SecureAggregationException">A share is none, or there are too few.</exception>
    public InputMask Mask(ReadOnlySpan<byte> delivered, int scalars)
    {
        CheckOver();
        if (_members is null) throw OutOfOrder();
        if (Fails(SessionCheck.OneMaskedInput, !_isMasked))
            throw Refused(SecureAggregationCodes.Repeated, "A masked input was asked for again. It is made once; the one that was made can be sent again.");
        _isMasked = true;
        var mask = new MaskSet(scalars);
        try
        {
            MaskFirst(delivered, mask);
            return new InputMask(mask);
        }
        catch (SecureAggregationException)
        {
            mask.Dispose();
            Dispose();
            throw;
        }
    }

    /// <summary>Round 3: signs who survived, so that all unmask the same sum.</summary>
    /// <param name="survivors">Who sent a masked input.</param>
    /// <returns>The signature.</returns>
    /// <exception cref="SecureAggregationException">They are too few, or others than can be (<c>secagg.survivors</c>).</exception>
    public byte[] Confirm(ReadOnlySpan<byte> survivors)
    {
        CheckOver();
        if (!_isMasked) throw OutOfOrder();
        if (_confirmed.Recall(survivors, Skipped == SessionCheck.OneConfirmation) is { } reply) return reply;
        try
        {
            return _confirmed.Keep(survivors, ConfirmFirst(survivors));
        }
        catch (SecureAggregationException)
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Round 4: gives its shares of one secret of each neighbour: the self mask's of a survivor, the mask key's of another.</summary>
    /// <param name="request">Who signed the set of survivors, and whose shares are asked for.</param>
    /// <returns>The shares, in the order of the request.</returns>
    /// <exception cref="SecureAggregationException">Too few signed the same set, or the shares are not to be given.</exception>
    public byte[] Unmask(ReadOnlySpan<byte> request)
    {
        CheckOver();
        if (_survivors is null) throw OutOfOrder();
        if (_unmasked.Recall(request) is { } reply) return reply;
        try
        {
            _unmasked.Keep(request, reply = UnmaskFirst(request));
            EraseSecrets();
            return reply;
        }
        catch (SecureAggregationException)
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Overwrites the session's secrets.</summary>
    public void Dispose()
    {
        _isOver = true;
        EraseSecrets();
        _unmasked.Forget();
    }

    private void EraseSecrets()
    {
        CryptographicOperations.ZeroMemory(_selfSeed);
        CryptographicOperations.ZeroMemory(_maskSeed);
        _shareKey.Dispose();
        _maskKey.Dispose();
        foreach (byte[] secret in _openingKeys.Values.Concat(_held.Values)) CryptographicOperations.ZeroMemory(secret);
    }

    private byte[] ShareFirst(ReadOnlySpan<byte> bytes)
    {
        var list = AdvertisementList.Decode(bytes, _terms, _suite);
        CheckList(list);
        _graph = list.Graph(_terms);
        _neighbours = _graph.NeighboursOf(_number);
        CheckMembers(list);
        _keys = new KeySchedule(_suite, _session, list.Hash);
        _members = list;

        uint[] places = [.. _neighbours.Select(PlaceOf), .. _graph.IsComplete ? (uint[])[PlaceOf(_number)] : []];
        byte[] selfShares = new byte[places.Length * SecretSharing.ShareLength], maskShares = new byte[selfShares.Length];
        SecretSharing.Split(_selfSeed, _terms.Graph.Threshold, places, selfShares);
        SecretSharing.Split(_maskSeed, _terms.Graph.Threshold, places, maskShares);
        int length = SealedShares.Length(_suite);
        byte[] sealedShares = new byte[_neighbours.Length * length];
        try
        {
            for (int i = 0; i < places.Length; i++)
            {
                byte[] pair = [.. selfShares.AsSpan(i * SecretSharing.ShareLength, SecretSharing.ShareLength), .. maskShares.AsSpan(i * SecretSharing.ShareLength, SecretSharing.ShareLength)];
                if (i == _neighbours.Length)
                {
                    _held[_number] = pair;
                    continue;
                }

                int to = _neighbours[i];
                (byte[] seal, _openingKeys[to]) = _keys.ShareKeys(_shareKey, list.Members[to], _number, to);
                _suite.Seal(seal, _keys.ShareContext(_number, to), pair, sealedShares.AsSpan(i * length, length));
                CryptographicOperations.ZeroMemory(seal);
                CryptographicOperations.ZeroMemory(pair);
            }
        }
        finally
        {
            CryptographicOperations.ZeroMemory(selfShares);
            CryptographicOperations.ZeroMemory(maskShares);
        }

        return sealedShares;
    }

    private void CheckTerms(SessionExpectation expected)
    {
        if (_terms.Run != expected.Run || _terms.Purpose != expected.Purpose || _terms.Round != expected.Round)
        {
            throw Refused(
                SecureAggregationCodes.Terms, $"The session is for the {_terms.Purpose} of round {_terms.Round} of run {Shown.Of(_terms.Run)}, but the client has the {expected.Purpose} of round {expected.Round} of run {expected.Run}.");
        }

        if (!_terms.Encoding.Span.SequenceEqual(expected.Encoding.Span))
            throw Refused(SecureAggregationCodes.Terms, "The session writes vectors into the ring otherwise than the run does: sections, clips, scales, bits or the number of clients differ.");
        if (Fails(SessionCheck.Assignment, _terms.Assignment.Span.SequenceEqual(expected.Assignment.Span)))
            throw Refused(SecureAggregationCodes.Assignment, "The session sums what came of another model or of other work than the client was given: where clients begin from different models, the sum can show a single one.");
        if (Fails(SessionCheck.MinimumCohort, _terms.MinimumCohort >= _self.Limits.MinimumCohort))
            throw Refused(SecureAggregationCodes.Cohort, $"The session's minimum cohort is {_terms.MinimumCohort}, but the client takes part in no sum of fewer than {_self.Limits.MinimumCohort}.");
        if (Fails(SessionCheck.EnoughSurvivors, _terms.MaximumDropout <= _self.Limits.MaximumDropout))
        {
            throw Refused(SecureAggregationCodes.Terms, FormattableString.Invariant(
                $"The session lets {_terms.MaximumDropout:0.##} of the clients be missing in the sum, but the client allows {_self.Limits.MaximumDropout:0.##}."));
        }
    }

    private void CheckList(AdvertisementList list)
    {
        if (Fails(SessionCheck.Uniqueness, list.FirstRepeated() is null))
            throw Refused(SecureAggregationCodes.Duplicate, $"Client '{Shown.Of(list.FirstRepeated()!)}' is listed twice, or out of order.");
        _number = list.NumberOf(_self.Name);
        if (_number < 0 || !list.Members[_number].Encode().AsSpan().SequenceEqual(Own.Encode()))
            throw Refused(SecureAggregationCodes.OwnAdvertisement, "The client's own advertisement is not in the list, or was altered.");
        int count = list.Members.Count;
        int least = Math.Max(_terms.LeastSurvivors(_terms.Invited), _self.Limits.MinimumCohort);
        if (Fails(SessionCheck.MinimumCohort, count >= least)) throw Refused(SecureAggregationCodes.Cohort, $"{count} of {_terms.Invited} clients take part, but the client takes part in no sum of fewer than {least}.");
        if (Fails(SessionCheck.Parameters, _self.Limits.FaultIn(_terms, count) is null))
            throw Refused(SecureAggregationCodes.Parameters, $"{_self.Limits.FaultIn(_terms, count)}.");
    }

    // All neighbours, whose keys are used, and as many others as make up the minimum cohort: with a thousand clients the rest would cost more than all else, and a client that nobody
    // vouches for has neighbours too, who refuse it.
    private void CheckMembers(AdvertisementList list)
    {
        int needed = Math.Max(_terms.MinimumCohort, _self.Limits.MinimumCohort) - 1 - _neighbours.Length;
        IEnumerable<int> others = needed > 0 ? Enumerable.Range(0, list.Members.Count).Except(_neighbours).Where(member => member != _number).Take(needed) : [];
        foreach (int member in _neighbours.Concat(others))
        {
            Advertisement advertisement = list.Members[member];
            bool isKnown = _self.Sites.TryFind(advertisement.Name, out ReadOnlyMemory<byte> key);
            if (Fails(SessionCheck.Roster, isKnown)) throw Refused(SecureAggregationCodes.Roster, $"Client '{Shown.Of(advertisement.Name)}' is not in the roster.");
            if (isKnown && Fails(SessionCheck.Signatures, _suite.Verify(key.Span, advertisement.SignedBytes(_session), advertisement.Signature.Span)))
                throw Refused(SecureAggregationCodes.Signature, $"The advertisement of client '{Shown.Of(advertisement.Name)}' is not signed with its identity key for this session.");
        }
    }

    private void MaskFirst(ReadOnlySpan<byte> delivered, MaskSet mask)
    {
        var shares = DeliveredShares.Decode(delivered, _neighbours.Length, _suite);
        Accept(shares);
        int holders = shares.Shares.Count + (_graph!.IsComplete ? 1 : 0);
        if (Fails(SessionCheck.EnoughShares, holders >= _terms.Graph.Threshold))
            throw Refused(SecureAggregationCodes.Shares, $"The shares of {holders} clients are there, but {_terms.Graph.Threshold} are needed to recover a secret.");
        byte[] key = _keys!.SelfMask(_selfSeed);
        mask.Include(key, isAdded: true);
        CryptographicOperations.ZeroMemory(key);
        foreach ((int from, _) in shares.Shares)
        {
            key = _keys.PairMask(_maskKey, _members!.Members[from], _number, from);
            mask.Include(key, isAdded: _number < from);
            CryptographicOperations.ZeroMemory(key);
        }
    }

    private void Accept(DeliveredShares shares)
    {
        int last = -1;
        foreach ((int from, ReadOnlyMemory<byte> box) in shares.Shares)
        {
            if (from <= last || !_openingKeys.TryGetValue(from, out byte[]? key)) throw Refused(SecureAggregationCodes.Stranger, $"A share is of client {from}, who is no neighbour, or there twice.");
            last = from;
            byte[] pair = new byte[2 * SecretSharing.ShareLength];
            if (!_suite.Open(key, _keys!.ShareContext(from, _number), box.Span, pair)
                || !SecretSharing.IsShare(pair.AsSpan(0, SecretSharing.ShareLength)) || !SecretSharing.IsShare(pair.AsSpan(SecretSharing.ShareLength)))
            {
                throw new SecureAggregationException(
                    SecureAggregationCodes.Share, $"The share of client '{Shown.Of(_members!.Members[from].Name)}' cannot be opened, or is none: it was altered, swapped, or sealed for another session.")
                { Accused = from };
            }

            _held[from] = pair;
        }
    }

    private byte[] ConfirmFirst(ReadOnlySpan<byte> bytes)
    {
        var reader = new MessageReader(bytes, "The set of survivors");
        var survivors = MemberSet.Read(ref reader, Members);
        reader.End();
        int least = Math.Max(_terms.LeastSurvivors(Members), _self.Limits.MinimumCohort);
        if (Fails(SessionCheck.EnoughSurvivors, survivors.Count >= least))
            throw Refused(SecureAggregationCodes.Survivors, $"{survivors.Count} of {Members} clients survived, but the sum is of at least {least}.");
        if (!survivors.Contains(_number)) throw Refused(SecureAggregationCodes.Survivors, "The client itself is not among the survivors, though it sent its masked input.");
        if (_neighbours.FirstOrDefault(member => survivors.Contains(member) && !_held.ContainsKey(member), -1) is var late and >= 0)
            throw Refused(SecureAggregationCodes.Survivors, $"Client '{Shown.Of(_members!.Members[late].Name)}' is among the survivors, but its shares had not arrived when the client masked its input.");
        _survivors = survivors;
        return _self.Key.Sign(Confirmation.SignedBytes(_session, _members!.Hash, survivors));
    }

    private byte[] UnmaskFirst(ReadOnlySpan<byte> bytes)
    {
        var request = UnmaskRequest.Decode(bytes, Members, _suite);
        if (!request.Survivors.Bits.SequenceEqual(_survivors!.Bits)) throw Refused(SecureAggregationCodes.Consistency, "The request is for another set of survivors than the client signed.");
        int confirmed = CountConfirmations(request);
        if (Fails(SessionCheck.Consistency, confirmed >= _terms.Graph.Threshold))
            throw Refused(SecureAggregationCodes.Consistency, $"{confirmed} of the client's neighbours signed the same set of survivors, but {_terms.Graph.Threshold} must have.");
        if (request.Alive.Concat(request.Dead).FirstOrDefault(member => !_held.ContainsKey(member), -1) is var stranger and >= 0)
            throw Refused(SecureAggregationCodes.Stranger, $"A share of client {stranger} is asked for, of whom the client holds none.");
        if (Fails(SessionCheck.OneSecret, request.Alive.All(_survivors.Contains) && !request.Dead.Any(_survivors.Contains)))
        {
            throw Refused(SecureAggregationCodes.BothSecrets, request.Alive.Intersect(request.Dead).FirstOrDefault(-1) is var both and >= 0
                ? $"Both secrets of client {both} are asked for."
                : "The mask key of a survivor, or the self mask of a client that vanished, is asked for.");
        }

        _self.History.Reveal(_terms, Skipped);
        byte[] reply = new byte[(request.Alive.Count + request.Dead.Count) * SecretSharing.ShareLength];
        Span<byte> rest = reply;
        foreach ((IReadOnlyList<int> list, int offset) in ((IReadOnlyList<int>, int)[])[(request.Alive, 0), (request.Dead, SecretSharing.ShareLength)])
        {
            foreach (int member in list)
            {
                _held[member].AsSpan(offset, SecretSharing.ShareLength).CopyTo(rest);
                rest = rest[SecretSharing.ShareLength..];
            }
        }

        return reply;
    }

    // Those who hold shares of the same clients: the neighbours, and the client itself where it is a holder.
    private int CountConfirmations(UnmaskRequest request)
    {
        byte[] signed = Confirmation.SignedBytes(_session, _members!.Hash, _survivors!);
        var valid = new HashSet<int>();
        foreach ((int from, ReadOnlyMemory<byte> signature) in request.Signatures)
        {
            if (valid.Count >= _terms.Graph.Threshold) break;
            if (!_survivors!.Contains(from) || (from == _number ? !_graph!.IsComplete : !_openingKeys.ContainsKey(from))) continue;
            ReadOnlySpan<byte> key = from == _number ? _self.Key.PublicKey.Span : _self.Sites.TryFind(_members.Members[from].Name, out ReadOnlyMemory<byte> found) ? found.Span : [];
            if (_suite.Verify(key, signed, signature.Span)) valid.Add(from);
        }

        return valid.Count;
    }

    private static uint PlaceOf(int member) => (uint)member + 1;

    private bool Fails(SessionCheck check, bool holds) => !holds && check != Skipped;

    private void CheckOver()
    {
        if (_isOver) throw Refused(SecureAggregationCodes.Order, "The session is over for this client.");
    }

    private static SecureAggregationException OutOfOrder() => Refused(SecureAggregationCodes.Order, "The message is not due yet: one that comes before it has not been there.");

    private static SecureAggregationException Refused(string code, string message) => new(code, message);
}
