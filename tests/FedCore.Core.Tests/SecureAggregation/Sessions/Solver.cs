using FedCore.SecureAggregation.Masks;
using FedCore.SecureAggregation.Messages;
using FedCore.SecureAggregation.Sessions;
using FedCore.SecureAggregation.Sharing;
using FedCore.SecureAggregation.Suites;

namespace FedCore.Core.Tests.SecureAggregation.Sessions;

/// <summary>
/// Everything that follows from what an adversary saw: shares that are enough for a secret give it, a secret gives its masks, and masked inputs are equations between inputs and masks that are
/// still hidden. What the equations say of one client's input is found by elimination, and proven by computing that input.
/// </summary>
internal sealed class Solver
{
    private static readonly ISecureAggregationSuite Suite = SecureAggregationSuites.Default;

    // A masked input less the masks that are known: the client's input, and the hidden masks in it, added or subtracted.
    private readonly List<(string Client, uint[] Residual, Dictionary<string, int> Hidden)> _equations = [];

    /// <summary>Adds what was seen of a session.</summary>
    public void Learn(HostileSession session)
    {
        foreach (View view in session.Views)
        {
            var keys = new KeySchedule(Suite, session.Terms.Digest(), view.List.Hash);
            var seeds = new Dictionary<(int Owner, bool IsMaskKey), byte[]>();
            foreach (IGrouping<(int, bool), KeyValuePair<(int Owner, bool IsMaskKey, int Holder), byte[]>> shares in view.Shares.GroupBy(share => (share.Key.Owner, share.Key.IsMaskKey)))
                if (Recover([.. shares.Select(share => (share.Key.Holder, share.Value))], session.Terms.Graph.Threshold, view.List.Members[shares.Key.Item1], session.Terms.Digest(), shares.Key.Item2) is { } seed)
                    seeds.Add(shares.Key, seed);
            foreach ((string client, int[] against, uint[] words) in view.Masked) Add(session, view, keys, seeds, client, against, words);
        }
    }

    /// <summary>Adds an input that the adversary knows, since what it follows from was its own.</summary>
    public void Know(string client, uint[] input) => _equations.Add((client, input, []));

    /// <summary>The sum of some clients' inputs, where it follows; null where it does not.</summary>
    public uint[]? SumOf(IReadOnlyCollection<string> clients, int bits)
    {
        if (clients.Except(_equations.Select(equation => equation.Client)).Any()) return null;

        // Which combination of the equations has these inputs once and nothing else in it? Elimination modulo the prime of secret sharing, whose numbers -1 and 1 are those of the integers.
        string[] unknowns = [.. _equations.Select(equation => "input " + equation.Client).Concat(_equations.SelectMany(equation => equation.Hidden.Keys)).Distinct()];
        uint[][] system = [.. unknowns.Select(unknown => (uint[])[.. _equations.Select(equation => CoefficientOf(equation.Client, equation.Hidden, unknown)), clients.Contains(unknown["input ".Length..]) && unknown.StartsWith("input ", StringComparison.Ordinal) ? 1u : 0])];
        if (Solve(system, _equations.Count) is not { } factors) return null;
        uint[] input = new uint[Federation.VectorLength];
        for (int i = 0; i < factors.Length; i++)
        {
            long factor = factors[i] > PrimeField.Prime / 2 ? factors[i] - (long)PrimeField.Prime : factors[i];
            for (int word = 0; word < input.Length; word++) input[word] += (uint)(factor * _equations[i].Residual[word]);
        }

        return [.. input.Select(word => word & (uint.MaxValue >> (32 - bits)))];
    }

    private void Add(HostileSession session, View view, KeySchedule keys, Dictionary<(int, bool), byte[]> seeds, string client, int[] against, uint[] words)
    {
        int own = view.List.NumberOf(client);
        var hidden = new Dictionary<string, int>(StringComparer.Ordinal);
        uint[] residual = [.. words];
        string place = $"{session.Id} {view.Id}";
        using var known = new MaskSet(Federation.ScalarCount);
        if (seeds.TryGetValue((own, false), out byte[]? seed)) known.Include(keys.SelfMask(seed), isAdded: false);
        else hidden.Add($"{place} self {own}", 1);
        foreach (int other in against)
        {
            byte[]? key = seeds.TryGetValue((own, true), out byte[]? ownSeed) ? PairMask(keys, Suite.CreateAgreementKey(ownSeed), view, own, other)
                : seeds.TryGetValue((other, true), out byte[]? otherSeed) ? PairMask(keys, Suite.CreateAgreementKey(otherSeed), view, other, own)
                : session.Accomplices.FirstOrDefault(accomplice => accomplice.Advertisement == view.List.Members[other]) is { } helper ? PairMask(keys, helper.MaskKey, view, other, own)
                : null;
            if (key is not null) known.Include(key, isAdded: own > other);
            else hidden.Add($"{place} pair {Math.Min(own, other)} {Math.Max(own, other)}", own < other ? 1 : -1);
        }

        known.Apply(0, residual);
        _equations.Add((client, residual, hidden));
    }

    private static byte[] PairMask(KeySchedule keys, IAgreementKey key, View view, int owner, int other) => keys.PairMask(key, view.List.Members[other], owner, other);

    private static byte[]? Recover((int Holder, byte[] Share)[] shares, int threshold, Advertisement owner, byte[] session, bool isMaskKey)
    {
        var collection = new ShareCollection();
        foreach ((int holder, byte[] share) in shares) collection.Add(holder, [0], [share]);
        return collection.Recover(0, threshold, seed =>
        {
            if (!isMaskKey) return KeySchedule.Commitment(session, seed).AsSpan().SequenceEqual(owner.Commitment.Span);
            using IAgreementKey key = Suite.CreateAgreementKey(seed);
            return key.PublicKey.Span.SequenceEqual(owner.MaskKey.Span);
        });
    }

    private static uint CoefficientOf(string client, Dictionary<string, int> hidden, string unknown) => unknown == "input " + client ? 1u
        : hidden.TryGetValue(unknown, out int sign) ? (sign > 0 ? 1u : PrimeField.Prime - 1) : 0;

    // Gauss: rows are what must cancel, or be one; the last column is what must come out.
    private static uint[]? Solve(uint[][] rows, int columns)
    {
        var pivots = new List<int>();
        int top = 0;
        for (int column = 0; column < columns && top < rows.Length; column++)
        {
            int pivot = Array.FindIndex(rows, top, row => row[column] != 0);
            if (pivot < 0) continue;
            (rows[top], rows[pivot]) = (rows[pivot], rows[top]);
            uint inverse = PrimeField.Invert(rows[top][column]);
            rows[top] = [.. rows[top].Select(value => PrimeField.Multiply(value, inverse))];
            for (int other = 0; other < rows.Length; other++)
            {
                uint factor = rows[other][column];
                if (other == top || factor == 0) continue;
                uint[] source = rows[top];
                rows[other] = [.. rows[other].Select((value, i) => PrimeField.Subtract(value, PrimeField.Multiply(factor, source[i])))];
            }

            pivots.Add(column);
            top++;
        }

        if (rows.Skip(top).Any(row => row[columns] != 0)) return null;
        uint[] solution = new uint[columns];
        for (int i = 0; i < pivots.Count; i++) solution[pivots[i]] = rows[i][columns];
        return solution;
    }
}
