using FedCore.Privacy.Accounting.Events;

namespace FedCore.Rounds.Privacy;

/// <summary>What was reserved for the rounds of a run so far. Nothing is given back: also a round that came to nothing may have shown something.</summary>
public sealed class PrivacySpending
{
    /// <summary>What the drawing of noise is named that a simulation's seed makes: it comes again with the same sums when the simulation is resumed, and shows nothing new.</summary>
    public const string Simulated = "simulated";

    private readonly List<(PrivacyReserved Reserved, long[] Clients)> _all = [];
    private readonly Dictionary<long, (long Count, int LastRound)> _participations = [];
    private readonly HashSet<(int Round, string Draw)> _draws = [];
    private readonly List<TreeSpending> _trees = [];

    /// <summary>How many sums with noise there were.</summary>
    public long Sums => _draws.Count;

    /// <summary>In how many of the sums the client was that was in most.</summary>
    public long MostParticipations { get; private set; }

    /// <summary>The trees of noise so far, oldest first, where the noise is in trees.</summary>
    internal IReadOnlyList<TreeSpending> Trees => _trees;

    /// <summary>How often a client was in a sum, and in which round last; zeros for never.</summary>
    internal (long Count, int LastRound) Of(long client) => _participations.GetValueOrDefault(client);

    internal void Add(PrivacyReserved reserved, IEnumerable<long> clients)
    {
        if (!_draws.Add((reserved.Round, reserved.Draw))) return;
        long[] exposed = [.. clients];
        _all.Add((reserved, exposed));
        TreeSpending? tree = null;
        if (reserved.Noise is TreeAggregationEvent)
        {
            if (_trees.LastOrDefault()?.Draw != reserved.Draw) _trees.Add(new TreeSpending(reserved.Draw, reserved.Round));
            tree = _trees[^1];
            tree.Last = Math.Max(tree.Last, reserved.Round);
            tree.Fresh[reserved.Round] = reserved.Fresh;
        }

        foreach (long client in exposed)
        {
            long count = _participations.GetValueOrDefault(client).Count + 1;
            _participations[client] = (count, reserved.Round);
            MostParticipations = Math.Max(MostParticipations, count);
            tree?.Add(client);
        }
    }

    /// <summary>Takes back what a simulation is going to draw again; nothing else is.</summary>
    /// <param name="round">The last round that counts.</param>
    internal void Resume(int round)
    {
        (PrivacyReserved Reserved, long[] Clients)[] kept = [.. _all.Where(one => one.Reserved.Round <= round || !one.Reserved.Draw.StartsWith(Simulated, StringComparison.Ordinal))];
        if (kept.Length == _all.Count) return;
        _all.Clear();
        _participations.Clear();
        _draws.Clear();
        _trees.Clear();
        MostParticipations = 0;
        foreach ((PrivacyReserved reserved, long[] clients) in kept) Add(reserved, clients);
    }
}

/// <summary>A tree of noise, and who is in it.</summary>
/// <param name="draw">Names the drawing of its noise.</param>
/// <param name="first">The round that it began with.</param>
internal sealed class TreeSpending(string draw, int first)
{
    private readonly Dictionary<long, long> _participations = [];

    public string Draw => draw;

    public int First { get; } = first;

    /// <summary>By round: what names the noise that it adds.</summary>
    public Dictionary<int, string?> Fresh { get; } = [];

    /// <summary>The last round for which it was reserved.</summary>
    public int Last { get; set; }

    /// <summary>In how many of its rounds the client was that was in most.</summary>
    public long MostParticipations { get; private set; }

    public void Add(long client) => MostParticipations = Math.Max(MostParticipations, _participations[client] = _participations.GetValueOrDefault(client) + 1);
}
