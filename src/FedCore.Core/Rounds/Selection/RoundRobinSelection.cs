using System.ComponentModel.DataAnnotations;

namespace FedCore.Rounds.Selection;

/// <summary>
/// Everybody takes turns, in random order: a client that is asked has been asked less than a bound more often than the one that was asked least. With the bound
/// 1 nobody is asked again before all were; a wider one leaves more to chance.
/// </summary>
/// <remarks>Time grows with the population, of whom all are looked at.</remarks>
public sealed class RoundRobinSelection : ICohortSelection
{
    /// <summary>Number of clients; null where <see cref="Fraction"/> is given.</summary>
    [Range(1, int.MaxValue)]
    public int? Size { get; init; }

    /// <summary>The share of all clients, rounded to a whole number of at least 1; null where <see cref="Size"/> is given.</summary>
    [Range(0, 1, MinimumIsExclusive = true)]
    public double? Fraction { get; init; }

    /// <summary>How many turns the most often asked may be ahead of the least often asked, at least 1.</summary>
    [Range(1, int.MaxValue)]
    public int Bound { get; init; } = 1;

    /// <inheritdoc/>
    public void Validate(long population)
    {
        CohortSize.Validate("roundRobin", Size, Fraction, population);
        CohortSize.ValidateScan("roundRobin", population);
    }

    /// <inheritdoc/>
    public long MostWanted(long population) => CohortSize.Of(Size, Fraction, population);

    /// <inheritdoc/>
    public Cohort Select(SelectionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        int wanted = (int)MostWanted(context.Clients.Count), asked = context.AskedFor(wanted);
        ILookup<int, long> byTurns = context.AvailableClients().ToLookup(client => context.History.Of(client).Asked);
        int[] turns = [.. byTurns.Select(group => group.Key).Order()];
        var members = new List<long>(asked);

        // Of all within the bound of the least, in random order; then, if they are too few, of the next in turn.
        var eligible = new List<long>();
        int next = 0;
        while (members.Count < asked && next < turns.Length)
        {
            int limit = turns[next] + Bound;
            eligible.Clear();
            for (; next < turns.Length && turns[next] < limit; next++) eligible.AddRange(byTurns[turns[next]]);
            context.Random.Shuffle(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(eligible));
            members.AddRange(eligible.Take(asked - members.Count));
        }

        return new Cohort(members, Math.Min(wanted, members.Count));
    }
}
