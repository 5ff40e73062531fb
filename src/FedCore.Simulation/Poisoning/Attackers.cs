using System.ComponentModel.DataAnnotations;
using FedCore.Rounds;

namespace FedCore.Simulation.Poisoning;

/// <summary>Clients that want to harm the model, to see what an aggregation rule withstands.</summary>
public sealed record Attackers
{
    /// <summary>How many of the clients; which of them, the seed decides.</summary>
    [Range(1, 1_000_000)]
    public required int Clients { get; init; }

    /// <summary>What they do.</summary>
    public required IPoisoning Behavior { get; init; }

    /// <summary>Who they are.</summary>
    /// <param name="plan">The run.</param>
    /// <param name="population">Number of clients.</param>
    /// <returns>Their indices in the directory.</returns>
    /// <exception cref="FedCoreException">There are not so many clients (<c>simulation.attackers</c>).</exception>
    internal HashSet<long> Choose(RunPlan plan, long population)
    {
        if (Clients > population)
            throw FedCoreException.Configuration("simulation.attackers", $"simulation.attackers.clients is {Clients}, but there are {population} clients. Use at most as many.");
        Numerics.RandomStream random = plan.World.Stream("attackers");
        var chosen = new HashSet<long>();
        for (long last = population - Clients; last < population; last++)
        {
            long candidate = random.NextInt64(last + 1);
            if (!chosen.Add(candidate)) chosen.Add(last);
        }

        return chosen;
    }
}
