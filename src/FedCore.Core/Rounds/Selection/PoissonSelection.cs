using System.ComponentModel.DataAnnotations;
using FedCore.Numerics;

namespace FedCore.Rounds.Selection;

/// <summary>Each client takes part with the same probability, independently of the others; a round's size varies and may be 0.</summary>
public sealed class PoissonSelection : ICohortSelection
{
    /// <summary>The probability, above 0 and at most 1.</summary>
    [Range(0, 1, MinimumIsExclusive = true)]
    public double Rate { get; init; } = 0.1;

    /// <inheritdoc/>
    public void Validate(long population)
    {
        if (Rate * population > Array.MaxLength)
            throw FedCoreException.Configuration("run.cohort", $"A poisson cohort with rate {Rate} of {population} clients is too large. Use a smaller rate.");
    }

    /// <inheritdoc/>
    public long MostWanted(long population) => population;

    /// <inheritdoc/>
    public Cohort Select(SelectionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        (long population, RandomStream random) = (context.Clients.Count, context.Random);
        if (context.OverSelection > 0)
        {
            throw FedCoreException.Configuration(
                "run.cohort", "rounds.overSelection does not go with a poisson cohort, whose size is random. Set it to 0 and use a deadline.");
        }

        var members = new List<long>();
        if (Rate >= 1)
        {
            for (long i = 0; i < population; i++) members.Add(i);
        }
        else if (context.Secret is { } secret)
        {
            // Each by a coin of its own, whose bias is the rate to 64 bits.
            ulong limit = (ulong)Math.ScaleB(Rate, 64);
            for (long i = 0; i < population; i++)
                if (secret.NextUInt64() < limit) members.Add(i);
        }
        else
        {
            // The gaps between chosen clients are geometric, so that nobody who is not chosen costs time.
            // double.LogP1 takes the logarithm of the rounded 1 - rate, which is 0 below 1e-16; this form stays exact (Kahan).
            double miss = 1 - Rate, logMiss = miss == 1 ? -Rate : Math.Log(miss) * -Rate / (miss - 1);
            for (double next = -1; ;)
            {
                next += 1 + Math.Floor(Math.Log(1 - random.NextDouble()) / logMiss);
                if (next >= population) break;
                members.Add((long)next);
            }
        }

        random.Shuffle(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(members));
        return new Cohort(members, members.Count);
    }
}
