namespace FedCore.Rounds.Privacy;

/// <summary>What was reserved for the rounds of a run so far. Nothing is given back: also a round that came to nothing may have shown something.</summary>
public sealed class PrivacySpending
{
    private readonly Dictionary<long, long> _participations = [];
    private readonly HashSet<(int Round, string Draw)> _draws = [];

    /// <summary>How many sums with noise there were.</summary>
    public long Sums => _draws.Count;

    /// <summary>In how many of the sums the client was that was in most.</summary>
    public long MostParticipations { get; private set; }

    internal void Add(PrivacyReserved reserved, IEnumerable<long> clients)
    {
        // The same noise on the same sum shows nothing new: a simulation that is resumed draws it again.
        if (!_draws.Add((reserved.Round, reserved.Draw))) return;
        foreach (long client in clients) MostParticipations = Math.Max(MostParticipations, _participations[client] = _participations.GetValueOrDefault(client) + 1);
    }
}
