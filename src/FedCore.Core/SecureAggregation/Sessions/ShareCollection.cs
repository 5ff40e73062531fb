using System.Security.Cryptography;
using FedCore.SecureAggregation.Sharing;

namespace FedCore.SecureAggregation.Sessions;

/// <summary>The shares that holders gave, by the client whose secret they are of. Who gives a wrong share is found out, as long as there are shares enough without his.</summary>
internal sealed class ShareCollection
{
    private const int MostChoices = 3000;

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

    // The first ones; then, if some of them are wrong, others at random: where a third of all are spare, one in three choices is without a certain one, and one in 3^k without k of them.
    private static IEnumerable<(int, ReadOnlyMemory<byte>)[]> Choices((int, ReadOnlyMemory<byte>)[] shares, int threshold)
    {
        yield return shares[..threshold];
        for (int choice = 1; choice < MostChoices && shares.Length > threshold; choice++)
        {
            RandomNumberGenerator.Shuffle<(int, ReadOnlyMemory<byte>)>(shares);
            yield return shares[..threshold];
        }
    }
}
