using System.ComponentModel.DataAnnotations;
using FedCore.Numerics;

namespace FedCore.Rounds.Selection;

/// <summary>A fixed number of clients, every subset equally likely (Floyd's algorithm: Bentley and Floyd 1987).</summary>
public sealed class UniformSelection : ICohortSelection
{
    /// <summary>Number of clients; null where <see cref="Fraction"/> is given.</summary>
    [Range(1, int.MaxValue)]
    public int? Size { get; init; }

    /// <summary>The share of all clients, rounded to a whole number of at least 1; null where <see cref="Size"/> is given.</summary>
    [Range(0, 1, MinimumIsExclusive = true)]
    public double? Fraction { get; init; }

    /// <inheritdoc/>
    public void Validate(long population)
    {
        if (Size is null == Fraction is null)
            throw FedCoreException.Configuration("run.cohort", "A uniform cohort needs either a \"size\" or a \"fraction\". Give one of the two.");
        if (Fraction * population > Array.MaxLength)
            throw FedCoreException.Configuration("run.cohort", $"A cohort of {Fraction} of {population} clients is too large. Use a smaller fraction, or a size.");
        if (Size > population)
        {
            throw FedCoreException.Configuration(
                "run.cohort", $"The cohort's size is {Size}, but there are {population} clients. Use a size of at most {population}, or \"type\": \"all\".");
        }
    }

    /// <inheritdoc/>
    public long MostWanted(long population) => Size ?? checked((int)Math.Max(1, Math.Round(Fraction!.Value * population)));

    /// <inheritdoc/>
    public Cohort Select(long population, double overSelection, RandomStream random)
    {
        ArgumentNullException.ThrowIfNull(random);
        int wanted = (int)MostWanted(population);

        // In decimal, so that 0.1 more than 10 are 11; in binary they are a little more, and 12 would be asked.
        int asked = (int)Math.Min(population, Math.Min(Array.MaxLength, Math.Ceiling(wanted * (1 + (decimal)overSelection))));
        var chosen = new HashSet<long>(asked);
        long[] members = new long[asked];
        for (int i = 0; i < asked; i++)
        {
            long last = population - asked + i;
            long candidate = random.NextInt64(last + 1);
            if (!chosen.Add(candidate)) chosen.Add(candidate = last);
            members[i] = candidate;
        }

        // Floyd's order is not uniform, and where all report at once the order decides who is left out.
        random.Shuffle<long>(members);
        return new Cohort(members, wanted);
    }
}
