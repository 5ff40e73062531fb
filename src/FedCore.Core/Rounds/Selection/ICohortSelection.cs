using FedCore.Numerics;

namespace FedCore.Rounds.Selection;

/// <summary>Who takes part in a round. Registered by name; public properties are its parameters.</summary>
public interface ICohortSelection
{
    /// <summary>Checks the selection against the number of clients.</summary>
    /// <param name="population">Number of clients, at least 1.</param>
    /// <exception cref="FedCoreException">It cannot be made (<c>run.cohort</c>).</exception>
    void Validate(long population);

    /// <summary>How many reports a round can want at most; a round that needs more is never held.</summary>
    /// <param name="population">Number of clients, at least 1.</param>
    /// <returns>The number.</returns>
    long MostWanted(long population);

    /// <summary>Chooses a cohort.</summary>
    /// <param name="population">Number of clients, at least 1.</param>
    /// <param name="overSelection">The share of clients to ask in addition, 0 or more.</param>
    /// <param name="random">Where the choice comes from. Under privacy amplification it must not be a public seed's stream.</param>
    /// <returns>The cohort. Time and memory depend on its size, not on the population.</returns>
    Cohort Select(long population, double overSelection, RandomStream random);
}

/// <summary>The clients of a round.</summary>
/// <param name="Members">Their indices in the client directory, in cohort order, without repetition.</param>
/// <param name="Wanted">How many reports close the round.</param>
public sealed record Cohort(IReadOnlyList<long> Members, int Wanted);
