using FedCore.Numerics;
using FedCore.Privacy.Sampling;

namespace FedCore.Rounds.Selection;

/// <summary>Who takes part in a round. Registered by name; public properties are its parameters. It keeps nothing: what it must know is in the context.</summary>
public interface ICohortSelection
{
    /// <summary>What it must know of single clients.</summary>
    IReadOnlyList<Disclosure> Disclosures => [];

    /// <summary>Whether it can choose clients one by one, as buffered runs do.</summary>
    bool AllowsBuffer => false;

    /// <summary>Checks the selection against the number of clients.</summary>
    /// <param name="population">Number of clients, at least 1.</param>
    /// <exception cref="FedCoreException">It cannot be made (<c>run.cohort</c>).</exception>
    void Validate(long population);

    /// <summary>How many reports a round can want at most; a round that needs more is never held.</summary>
    /// <param name="population">Number of clients, at least 1.</param>
    /// <returns>The number.</returns>
    long MostWanted(long population);

    /// <summary>Chooses a cohort.</summary>
    /// <param name="context">The clients and what is known of them.</param>
    /// <returns>The cohort.</returns>
    Cohort Select(SelectionContext context);

    /// <summary>Chooses one more client for a buffered run.</summary>
    /// <param name="context">The clients and what is known of them.</param>
    /// <param name="isAtWork">Whether a client is at work already.</param>
    /// <returns>The client, or null where there is nobody.</returns>
    long? SelectNext(SelectionContext context, Func<long, bool> isAtWork) => throw new NotSupportedException($"{GetType().Name} chooses cohorts, not single clients.");
}

/// <summary>What a cohort is chosen from.</summary>
/// <param name="Clients">All clients.</param>
/// <param name="Random">Where the choice comes from; anybody who knows the seed can make it too.</param>
public sealed record SelectionContext(IClientDirectory Clients, RandomStream Random)
{
    /// <summary>Random bytes for a choice that must stay secret, since privacy rests on it; null where it need not.</summary>
    public RandomBytes? Secret { get; init; }

    /// <summary>The share of clients to ask in addition, 0 or more.</summary>
    public double OverSelection { get; init; }

    /// <summary>The round, from 1.</summary>
    public int Round { get; init; } = 1;

    /// <summary>The present.</summary>
    public DateTimeOffset Now { get; init; }

    /// <summary>Who took part before.</summary>
    public ParticipationHistory History { get; init; } = new();

    /// <summary>Whether a client may be in the round. Where one is chosen that may not, it is not asked.</summary>
    public Func<long, bool> MayTakePart { get; init; } = static _ => true;

    /// <summary>The clients that may take part and are available now, as far as is known, in the directory's order.</summary>
    /// <returns>Their indices.</returns>
    public IEnumerable<long> AvailableClients()
    {
        for (long client = 0; client < Clients.Count; client++)
            if (MayTakePart(client) && Clients.Get(client).IsAvailableAt(Now)) yield return client;
    }

    /// <summary>How many to ask so that a number reports, of the clients that there are.</summary>
    /// <param name="wanted">The number.</param>
    /// <returns>The number and what is asked in addition.</returns>
    public int AskedFor(int wanted)
    {
        // In decimal, so that 0.1 more than 10 are 11; in binary they are a little more, and 12 would be asked.
        decimal asked = Math.Ceiling(wanted * (1 + (decimal)OverSelection));
        return (int)Math.Min(Clients.Count, Math.Min(Array.MaxLength, asked));
    }
}

/// <summary>The clients of a round.</summary>
/// <param name="Members">Their indices in the client directory, in cohort order, without repetition.</param>
/// <param name="Wanted">How many reports close the round.</param>
public sealed record Cohort(IReadOnlyList<long> Members, int Wanted);
