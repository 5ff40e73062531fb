using FedCore.Numerics;

namespace FedCore.Rounds.Selection;

/// <summary>Every client takes part in every round.</summary>
public sealed class AllClients : ICohortSelection
{
    /// <inheritdoc/>
    public void Validate(long population)
    {
        if (population > Array.MaxLength)
            throw FedCoreException.Configuration("run.cohort", $"A cohort of all {population} clients is too large. Choose some with a uniform or poisson cohort.");
    }

    /// <inheritdoc/>
    public long MostWanted(long population) => population;

    /// <inheritdoc/>
    public Cohort Select(long population, double overSelection, RandomStream random)
    {
        long[] members = new long[population];
        for (int i = 0; i < members.Length; i++) members[i] = i;
        return new Cohort(members, members.Length);
    }
}
