namespace FedCore.Rounds.Selection;

/// <summary>Every client takes part in every round.</summary>
public sealed class AllClients : ICohortSelection
{
    /// <inheritdoc/>
    public bool AllowsBuffer => true;

    /// <inheritdoc/>
    public void Validate(long population)
    {
        if (population > Array.MaxLength)
            throw FedCoreException.Configuration("run.cohort", $"A cohort of all {population} clients is too large. Choose some with a uniform or poisson cohort.");
    }

    /// <inheritdoc/>
    public long MostWanted(long population) => population;

    /// <inheritdoc/>
    public Cohort Select(SelectionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        long[] members = new long[context.Clients.Count];
        for (int i = 0; i < members.Length; i++) members[i] = i;
        return new Cohort(members, members.Length);
    }

    /// <summary>Whoever is not at work, of whom there are as many as have just answered.</summary>
    /// <inheritdoc/>
    public long? SelectNext(SelectionContext context, Func<long, bool> isAtWork) => UniformSelection.Free(context, isAtWork);
}
