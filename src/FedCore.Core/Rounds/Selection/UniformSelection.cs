using System.ComponentModel.DataAnnotations;

namespace FedCore.Rounds.Selection;

/// <summary>
/// A fixed number of clients, every subset equally likely (Floyd's algorithm: Bentley and Floyd 1987). Those who are known not to be available are replaced.
/// Time and memory depend on the number, not on the population.
/// </summary>
public sealed class UniformSelection : ICohortSelection
{
    // As often a client is drawn in place of one who is not available or at work, before the place stays as it is.
    private const int MaxDraws = 100;

    // So many are looked at one by one where few are available.
    private const int MostLookedAt = 1_000_000;

    /// <summary>Number of clients; null where <see cref="Fraction"/> is given.</summary>
    [Range(1, int.MaxValue)]
    public int? Size { get; init; }

    /// <summary>The share of all clients, rounded to a whole number of at least 1; null where <see cref="Size"/> is given.</summary>
    [Range(0, 1, MinimumIsExclusive = true)]
    public double? Fraction { get; init; }

    /// <inheritdoc/>
    public bool AllowsBuffer => true;

    /// <inheritdoc/>
    public void Validate(long population) => CohortSize.Validate("uniform", Size, Fraction, population);

    /// <inheritdoc/>
    public long MostWanted(long population) => CohortSize.Of(Size, Fraction, population);

    /// <inheritdoc/>
    public Cohort Select(SelectionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        long population = context.Clients.Count;
        int wanted = (int)MostWanted(population), asked = context.AskedFor(wanted);
        var chosen = new HashSet<long>(asked);
        long[] members = new long[asked];
        for (int i = 0; i < asked; i++)
        {
            long last = population - asked + i;
            long candidate = context.Random.NextInt64(last + 1);
            if (!chosen.Add(candidate)) chosen.Add(candidate = last);
            members[i] = candidate;
        }

        bool looksAtAll = population <= MostLookedAt;
        for (int i = 0; i < asked; i++)
        {
            if (context.Clients.Get(members[i]).IsAvailableAt(context.Now)) continue;
            if ((looksAtAll ? Free(context, chosen.Contains) : Draw(context, chosen.Contains)) is not { } other)
            {
                if (looksAtAll) break;
                continue;
            }

            chosen.Add(other);
            members[i] = other;
        }

        // Floyd's order is not uniform, and where all report at once the order decides who is left out.
        context.Random.Shuffle<long>(members);
        return new Cohort(members, wanted);
    }

    /// <inheritdoc/>
    public long? SelectNext(SelectionContext context, Func<long, bool> isAtWork) => Free(context, isAtWork);

    /// <summary>Somebody who is not at work, each equally likely; null where everybody is.</summary>
    internal static long? Free(SelectionContext context, Func<long, bool> isAtWork)
    {
        if (Draw(context, isAtWork) is { } drawn) return drawn;

        // So few are left that they are hard to hit: the first from a random place on.
        long population = context.Clients.Count, start = context.Random.NextInt64(population);
        for (long i = 0; i < population; i++)
        {
            long candidate = (start + i) % population;
            if (!isAtWork(candidate) && context.Clients.Get(candidate).IsAvailableAt(context.Now)) return candidate;
        }

        return null;
    }

    private static long? Draw(SelectionContext context, Func<long, bool> isTaken)
    {
        for (int draw = 0; draw < MaxDraws; draw++)
        {
            long candidate = context.Random.NextInt64(context.Clients.Count);
            if (!isTaken(candidate) && context.Clients.Get(candidate).IsAvailableAt(context.Now)) return candidate;
        }

        return null;
    }
}
