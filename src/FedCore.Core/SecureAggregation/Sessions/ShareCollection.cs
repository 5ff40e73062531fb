using FedCore.SecureAggregation.Sharing;

namespace FedCore.SecureAggregation.Sessions;

/// <summary>The shares that holders gave, by the client whose secret they are of. Who gives a wrong share is found out, as long as there are shares enough without his.</summary>
internal sealed class ShareCollection
{
    private readonly Dictionary<int, List<(int From, ReadOnlyMemory<byte> Share)>> _shares = [];
    private readonly Dictionary<int, ReadOnlyMemory<byte>[]> _byHolder = [];
    private readonly SortedSet<int> _liars = [];

    /// <summary>Who gave shares.</summary>
    public IReadOnlyCollection<int> From => _byHolder.Keys;

    /// <summary>Who gave a wrong one.</summary>
    public IReadOnlyCollection<int> Liars => _liars;

    /// <summary>Adds a holder's shares.</summary>
    /// <returns>False where he gave others before; the same ones again change nothing.</returns>
    public bool Add(int from, int[] targets, ReadOnlyMemory<byte>[] shares)
    {
        if (_byHolder.TryGetValue(from, out ReadOnlyMemory<byte>[]? earlier)) return earlier.Zip(shares).All(pair => pair.First.Span.SequenceEqual(pair.Second.Span));
        _byHolder.Add(from, shares);
        for (int i = 0; i < targets.Length; i++)
        {
            if (!_shares.TryGetValue(targets[i], out List<(int, ReadOnlyMemory<byte>)>? list)) _shares.Add(targets[i], list = []);
            list.Add((from, shares[i]));
        }

        return true;
    }

    /// <summary>How many shares of a client's secret there are.</summary>
    public int CountOf(int member) => _shares.TryGetValue(member, out List<(int, ReadOnlyMemory<byte>)>? list) ? list.Count : 0;

    /// <summary>Recovers a secret. For many threads, when no more shares come.</summary>
    /// <param name="member">Whose it is.</param>
    /// <param name="threshold">How many shares it takes.</param>
    /// <param name="isPromised">Whether a secret is the one that was promised.</param>
    /// <returns>32 bytes, which the caller overwrites; null where no choice of shares gives what was promised.</returns>
    public byte[]? Recover(int member, int threshold, Predicate<byte[]> isPromised)
    {
        if (CountOf(member) < threshold) return null;
        (int From, ReadOnlyMemory<byte> Share)[] shares;
        lock (_liars) shares = [.. _shares[member].OrderBy(share => _liars.Contains(share.From))];
        byte[] secret = new byte[SecretSharing.SecretLength];

        // The first ones; then, if one of them is wrong, each in turn is left out for the next one behind them.
        foreach ((int From, ReadOnlyMemory<byte> Share)[] some in Choices(shares, threshold))
        {
            uint[] places = [.. some.Select(share => (uint)share.From + 1)];
            byte[] values = [.. some.SelectMany(share => share.Share.ToArray())];
            if (!SecretSharing.Combine(places, values, secret) || !isPromised(secret)) continue;
            FindLiars(places, values, shares.Except(some));
            return secret;
        }

        return null;
    }

    private void FindLiars(uint[] places, byte[] values, IEnumerable<(int From, ReadOnlyMemory<byte> Share)> others)
    {
        foreach ((int from, ReadOnlyMemory<byte> share) in others)
        {
            if (SecretSharing.Agrees(places, values, (uint)from + 1, share.Span)) continue;
            lock (_liars) _liars.Add(from);
        }
    }

    private static IEnumerable<(int, ReadOnlyMemory<byte>)[]> Choices((int, ReadOnlyMemory<byte>)[] shares, int threshold)
    {
        yield return shares[..threshold];
        for (int spare = threshold; spare < shares.Length; spare++)
            for (int left = 0; left < threshold; left++) yield return [.. shares[..left], .. shares[(left + 1)..threshold], shares[spare]];
    }
}
