using FedCore.SecureAggregation;
using FedCore.SecureAggregation.Graphs;
using FedCore.SecureAggregation.Messages;
using FedCore.SecureAggregation.Ring;
using FedCore.SecureAggregation.Sessions;
using FedCore.SecureAggregation.Sharing;
using FedCore.SecureAggregation.Suites;

namespace FedCore.Core.Tests.SecureAggregation.Sessions;

/// <summary>What an adversary sees of clients who were sent the same list of advertisements.</summary>
internal sealed class View(int id, AdvertisementList list)
{
    public int Id => id;

    public AdvertisementList List => list;

    /// <summary>Shares in the clear, by whose secret they are of, which one, and who holds them.</summary>
    public Dictionary<(int Owner, bool IsMaskKey, int Holder), byte[]> Shares { get; } = [];

    /// <summary>Masked inputs, and against whom they are masked.</summary>
    public List<(string Client, int[] Against, uint[] Words)> Masked { get; } = [];

    public Dictionary<(int From, int To), ReadOnlyMemory<byte>> Sealed { get; } = [];
}

/// <summary>
/// A session whose aggregator is the adversary: honest clients are real, the accomplices do as they are told, and whatever goes to a client can be something else than it should be. Who refuses
/// has no further part; what everybody sends is kept.
/// </summary>
internal sealed class HostileSession
{
    private static readonly ISecureAggregationSuite Suite = SecureAggregationSuites.Default;
    private static int _ids;

    private readonly Federation _federation;
    private readonly Dictionary<string, ClientSession> _honest = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Dictionary<string, (MemberSet Set, byte[] Signature)>> _signatures = new(StringComparer.Ordinal);

    public HostileSession(Federation federation, SessionTerms terms, IEnumerable<string> honest, IEnumerable<Accomplice> accomplices, SessionCheck? skipped = null, Dictionary<string, SessionHistory>? histories = null,
        Func<string, byte[]?>? given = null)
    {
        (_federation, Terms, Accomplices) = (federation, terms, [.. accomplices]);
        foreach (string name in honest)
            Try(name, () => _honest.Add(name, federation.Join(name, terms, skipped, histories?[name], given?.Invoke(name))));
    }

    public int Id { get; } = Interlocked.Increment(ref _ids);

    public SessionTerms Terms { get; }

    public IReadOnlyList<Accomplice> Accomplices { get; private set; }

    /// <summary>The views, the common one first.</summary>
    public List<View> Views { get; } = [];

    /// <summary>Who refused, and with which code.</summary>
    public Dictionary<string, string> Refusals { get; } = new(StringComparer.Ordinal);

    /// <summary>The list of all, as it should be.</summary>
    public AdvertisementList List => AdvertisementList.Create(_honest.Values.Select(client => client.Own).Concat(Accomplices.Select(accomplice => accomplice.Advertisement)));

    public Advertisement AdvertisementOf(string name) => _honest[name].Own;

    /// <summary>Draws the accomplices' keys again and again, as an aggregator could, until the list of all suits it.</summary>
    public void Grind(Func<Accomplice[]> draw, Func<AdvertisementList, bool> suits)
    {
        while (!suits(List)) Accomplices = draw();
    }

    /// <summary>Rounds 0 and 1.</summary>
    /// <param name="listFor">Another list for some; null for the one of all.</param>
    public void Share(Func<string, AdvertisementList?>? listFor = null)
    {
        foreach (string name in _honest.Keys.ToArray())
        {
            AdvertisementList list = listFor?.Invoke(name) ?? List;
            View view = Views.FirstOrDefault(view => view.List.Hash.AsSpan().SequenceEqual(list.Hash)) ?? AddView(list);
            Try(name, () =>
            {
                int own = list.NumberOf(name);
                int[] neighbours = list.Graph(Terms).NeighboursOf(own);
                ReadOnlyMemory<byte>[] shares = SealedShares.Decode(_honest[name].Share(list.Encoded), neighbours.Length, Suite);
                for (int i = 0; i < neighbours.Length; i++) view.Sealed[(own, neighbours[i])] = shares[i];
            });
        }

        foreach (View view in Views) OpenWhatAccomplicesGot(view);
    }

    /// <summary>Round 2.</summary>
    /// <param name="arrived">Whose shares arrive at a client, of its neighbours; null for all that there are.</param>
    /// <param name="altered">Another message than the shares as they were sealed.</param>
    /// <param name="clients">Who masks; null for all.</param>
    public void Mask(Func<string, int, bool>? arrived = null, Func<string, DeliveredShares, DeliveredShares>? altered = null, IEnumerable<string>? clients = null)
    {
        foreach (string name in (clients ?? _honest.Keys).Where(name => !Refusals.ContainsKey(name)).ToArray())
        {
            View view = ViewOf(name);
            int own = view.List.NumberOf(name);
            int[] against = [.. view.List.Graph(Terms).NeighboursOf(own).Where(other => view.Sealed.ContainsKey((other, own)) && (arrived?.Invoke(name, other) ?? true))];
            var delivered = new DeliveredShares([.. against.Select(other => (other, view.Sealed[(other, own)]))]);
            Try(name, () =>
            {
                using InputMask mask = _honest[name].Mask((altered?.Invoke(name, delivered) ?? delivered).Encode(), Federation.ScalarCount);
                byte[] bytes = _federation.Write(_federation.InputOf(name), mask);
                uint[] words = new uint[Federation.VectorLength];
                BitPacking.AddTo(bytes.AsSpan(8 * Federation.ScalarCount), _federation.Encoding.Bits, words);
                view.Masked.Add((name, against, words));
            });
        }
    }

    /// <summary>Round 3: shows a client a set of survivors; the accomplices sign every set.</summary>
    public void Confirm(string name, MemberSet set)
    {
        if (Refusals.ContainsKey(name)) return;
        Try(name, () =>
        {
            byte[] signature = _honest[name].Confirm(set.Bits);
            Sign(set, name, signature);
        });
    }

    public MemberSet SetOf(params IEnumerable<string> names) => new(Views[0].List.Members.Count, names.Select(Views[0].List.NumberOf));

    /// <summary>Round 4: asks a client for shares, with all signatures of its set that there are.</summary>
    public void Unmask(string name, MemberSet set, IEnumerable<string> alive, IEnumerable<string> dead, Func<UnmaskRequest, UnmaskRequest>? altered = null)
    {
        if (Refusals.ContainsKey(name)) return;
        View view = ViewOf(name);
        foreach (Accomplice accomplice in Accomplices) Sign(set, accomplice.Name, accomplice.Confirm(Terms, view.List, set));
        int[] living = [.. alive.Select(view.List.NumberOf).Order()], gone = [.. dead.Select(view.List.NumberOf).Order()];
        var request = new UnmaskRequest(set, [.. SignaturesOf(set).OrderBy(pair => pair.From)], living, gone);
        request = altered?.Invoke(request) ?? request;
        Try(name, () =>
        {
            byte[] reply = _honest[name].Unmask(request.Encode());
            (int, bool)[] targets = [.. request.Alive.Select(member => (member, false)), .. request.Dead.Select(member => (member, true))];
            for (int i = 0; i < targets.Length; i++)
                view.Shares[(targets[i].Item1, targets[i].Item2, view.List.NumberOf(name))] = reply[(i * SecretSharing.ShareLength)..((i + 1) * SecretSharing.ShareLength)];
        });
    }

    /// <summary>The last two rounds as they should be: all who masked survive.</summary>
    public void Finish(params IEnumerable<string> lost)
    {
        string[] gone = [.. lost], survivors = [.. Views[0].List.Members.Select(member => member.Name).Except(gone)];
        MemberSet set = SetOf(survivors);
        foreach (string name in _honest.Keys.Except(gone)) Confirm(name, set);
        foreach (string name in _honest.Keys.Except(gone))
        {
            int[] holders = HeldBy(name);
            Unmask(name, set, survivors.Where(other => holders.Contains(Views[0].List.NumberOf(other))), gone.Where(other => holders.Contains(Views[0].List.NumberOf(other))));
        }
    }

    private int[] HeldBy(string name)
    {
        MaskGraph graph = Views[0].List.Graph(Terms);
        return graph.IsComplete ? [.. Enumerable.Range(0, graph.Members)] : graph.NeighboursOf(Views[0].List.NumberOf(name));
    }

    private IEnumerable<(int From, ReadOnlyMemory<byte> Signature)> SignaturesOf(MemberSet set) => _signatures.TryGetValue(Convert.ToHexString(set.Bits), out var signed)
        ? signed.Select(pair => (Views[0].List.NumberOf(pair.Key), (ReadOnlyMemory<byte>)pair.Value.Signature))
        : [];

    private void Sign(MemberSet set, string name, byte[] signature)
    {
        string key = Convert.ToHexString(set.Bits);
        if (!_signatures.TryGetValue(key, out var signed)) _signatures.Add(key, signed = new(StringComparer.Ordinal));
        signed[name] = (set, signature);
    }

    private View AddView(AdvertisementList list)
    {
        var view = new View(Views.Count, list);
        for (int member = 0; member < list.Members.Count; member++)
        {
            if (Accomplices.FirstOrDefault(accomplice => accomplice.Advertisement == list.Members[member]) is not { } accomplice) continue;
            foreach ((int to, byte[] box) in accomplice.Share(list, Terms, member)) view.Sealed[(member, to)] = box;
        }

        Views.Add(view);
        return view;
    }

    private View ViewOf(string name) => Views.Last(view => view.List.NumberOf(name) is var own and >= 0 && view.Sealed.Keys.Any(key => key.From == own));

    private void OpenWhatAccomplicesGot(View view)
    {
        var keys = new KeySchedule(Suite, Terms.Digest(), view.List.Hash);
        foreach (((int from, int to), ReadOnlyMemory<byte> box) in view.Sealed)
        {
            if (Accomplices.FirstOrDefault(accomplice => accomplice.Advertisement == view.List.Members[to]) is not { } accomplice) continue;
            byte[] pair = new byte[2 * SecretSharing.ShareLength];
            byte[] key = keys.ShareKeys(accomplice.ShareKey, view.List.Members[from], to, from).Opening;
            if (!Suite.Open(key, keys.ShareContext(from, to), box.Span, pair)) continue;
            view.Shares[(from, false, to)] = pair[..SecretSharing.ShareLength];
            view.Shares[(from, true, to)] = pair[SecretSharing.ShareLength..];
        }
    }

    private void Try(string name, Action step)
    {
        try
        {
            step();
        }
        catch (SecureAggregationException refusal)
        {
            Refusals[name] = refusal.Code;
        }
    }
}
