using System.ComponentModel.DataAnnotations;
using FedCore.Naming;

namespace FedCore.Rounds.Selection;

/// <summary>
/// TiFL (Chai et al. 2020): clients are sorted into tiers by their speed, and a cohort comes from one tier, so that it waits for nobody much slower than the
/// rest. Which tier is drawn by fixed probabilities (section 4.3), or adaptively by how badly the model serves it (algorithm 2).
/// </summary>
/// <remarks>
/// Speed is what clients say of themselves, examples per second, in place of the paper's profiling rounds; who says nothing is in the slowest tier. Time grows
/// with the population, of whom all are looked at.
/// </remarks>
[Paper("Chai et al. 2020, TiFL: A Tier-based Federated Learning System", "https://arxiv.org/abs/2001.09249")]
public sealed class TieredSelection : ICohortSelection
{
    /// <summary>Number of clients; null where <see cref="Fraction"/> is given.</summary>
    [Range(1, int.MaxValue)]
    public int? Size { get; init; }

    /// <summary>The share of all clients, rounded to a whole number of at least 1; null where <see cref="Size"/> is given.</summary>
    [Range(0, 1, MinimumIsExclusive = true)]
    public double? Fraction { get; init; }

    /// <summary>Number of tiers.</summary>
    [PaperValue("The paper's default is 5.")]
    [Range(1, 1000)]
    public int Tiers { get; init; } = 5;

    /// <summary>How likely each tier is, the fastest first, in proportion to the others; empty for all the same.</summary>
    public IReadOnlyList<double> Probabilities { get; init; } = [];

    /// <summary>Whether a tier is the likelier the larger its clients' last losses are, which the run must disclose.</summary>
    public bool Adaptive { get; init; }

    /// <inheritdoc/>
    public IReadOnlyList<Disclosure> Disclosures => Adaptive ? [Disclosure.ClientMetrics] : [];

    /// <inheritdoc/>
    public void Validate(long population)
    {
        CohortSize.Validate("tiered", Size, Fraction, population);
        CohortSize.ValidateScan("tiered", population);
        if (Probabilities.Count > 0 && Probabilities.Count != Tiers)
        {
            throw FedCoreException.Configuration(
                "run.cohort", $"The tiered cohort has {Tiers} tiers, but {Probabilities.Count} probabilities. Give one for each tier, or none.");
        }

        if (Probabilities.Any(p => !(p >= 0 && double.IsFinite(p))) || (Probabilities.Count > 0 && Probabilities.Sum() <= 0))
            throw FedCoreException.Configuration("run.cohort", "The tiered cohort's probabilities must be 0 or more, and one above 0.");
        if (Adaptive && Probabilities.Count > 0)
            throw FedCoreException.Configuration("run.cohort", "An adaptive tiered cohort finds its own probabilities. Leave \"probabilities\" or \"adaptive\" out.");
        if (Tiers > population || MostWanted(population) > population / Tiers)
        {
            throw FedCoreException.Configuration(
                "run.cohort", $"A tiered cohort comes from one tier, but {population} clients in {Tiers} tiers are {population / Tiers} each, and {MostWanted(population)} are wanted. "
                + "Use fewer tiers or a smaller cohort.");
        }
    }

    /// <inheritdoc/>
    public long MostWanted(long population) => CohortSize.Of(Size, Fraction, population);

    /// <inheritdoc/>
    public Cohort Select(SelectionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        int wanted = (int)MostWanted(context.Clients.Count), asked = context.AskedFor(wanted);
        long[][] tiers = TiersOf(context);
        double[] weights = Adaptive ? [.. tiers.Select(tier => LossOf(tier, context.History))] : Probabilities.Count > 0 ? [.. Probabilities] : [.. tiers.Select(_ => 1.0)];
        double place = context.Random.NextDouble() * weights.Sum();
        int chosen = 0;
        while (chosen < tiers.Length - 1 && (place -= weights[chosen]) >= 0) chosen++;
        long[] available = [.. tiers[chosen].Where(client => context.Clients.Get(client).IsAvailableAt(context.Now))];
        context.Random.Shuffle<long>(available);
        return new Cohort(available[..Math.Min(asked, available.Length)], Math.Min(wanted, available.Length));
    }

    // As equal in number as can be; among equally fast ones the lower index is faster.
    private long[][] TiersOf(SelectionContext context)
    {
        long[] bySpeed = [.. LongRange(context.Clients.Count).OrderByDescending(client => context.Clients.Get(client).ExamplesPerSecond ?? 0)];
        return [.. Enumerable.Range(0, Tiers).Select(tier => bySpeed[(int)((long)tier * bySpeed.Length / Tiers)..(int)((tier + 1L) * bySpeed.Length / Tiers)])];
    }

    private static IEnumerable<long> LongRange(long count)
    {
        for (long i = 0; i < count; i++) yield return i;
    }

    // A tier of which nothing is known counts like the worst that can be expected, so that it is tried.
    private static double LossOf(long[] tier, ParticipationHistory history)
    {
        double[] losses = [.. tier.Select(client => history.Of(client).Loss).OfType<double>().Where(double.IsFinite)];
        return losses.Length > 0 ? Math.Max(1e-6, losses.Average()) : 10;
    }
}
