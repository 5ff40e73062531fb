using System.ComponentModel.DataAnnotations;
using FedCore.Naming;

namespace FedCore.Rounds.Selection;

/// <summary>
/// Oort (Lai et al. 2021, algorithm 1): clients from whose examples much is to be learned, and who are fast, are asked more often; some are asked to find out.
/// A client's utility is its number of examples times its mean loss, with a bonus for those not seen for long, times (T / t)^alpha where it needs longer than T.
/// </summary>
/// <remarks>
/// The paper's statistical utility has the root of the mean squared loss of single examples, which would need a section of its own; the mean loss bounds it from
/// below. Time grows with the population, of whom all are looked at.
/// </remarks>
[Paper("Lai et al. 2021, Oort: Efficient Federated Learning via Guided Participant Selection", "https://arxiv.org/abs/2010.06081")]
public sealed class UtilitySelection : ICohortSelection
{
    /// <summary>Number of clients; null where <see cref="Fraction"/> is given.</summary>
    [Range(1, int.MaxValue)]
    public int? Size { get; init; }

    /// <summary>The share of all clients, rounded to a whole number of at least 1; null where <see cref="Size"/> is given.</summary>
    [Range(0, 1, MinimumIsExclusive = true)]
    public double? Fraction { get; init; }

    /// <summary>The share of clients that have never been asked, in the first round.</summary>
    [PaperValue("The paper's default is 0.9.")]
    [Range(0, 1)]
    public double Exploration { get; init; } = 0.9;

    /// <summary>The factor on that share from round to round.</summary>
    [PaperValue("The paper's default is 0.98.")]
    [Range(0, 1)]
    public double ExplorationDecay { get; init; } = 0.98;

    /// <summary>The least that it falls to.</summary>
    [PaperValue("The paper's default is 0.2.")]
    [Range(0, 1)]
    public double LeastExploration { get; init; } = 0.2;

    /// <summary>The time T in seconds that a client shall not exceed; null for no preference for fast ones.</summary>
    [Range(0, 1e9, MinimumIsExclusive = true)]
    public double? PreferredSeconds { get; init; }

    /// <summary>How much a client counts less that needs longer, alpha.</summary>
    [PaperValue("The paper's default is 2.")]
    [Range(0, 100)]
    public double Penalty { get; init; } = 2;

    /// <summary>Utilities within this share of the smallest that would be chosen may be chosen too, c.</summary>
    [PaperValue("The paper's default is 0.95.")]
    [Range(0, 1)]
    public double CutOff { get; init; } = 0.95;

    /// <summary>Utilities above this quantile count as much as it, so that outliers are not always asked.</summary>
    [PaperValue("The paper's default is 0.95.")]
    [Range(0, 1)]
    public double ClipQuantile { get; init; } = 0.95;

    /// <summary>Who has been asked so often is asked no more; null for no limit.</summary>
    [PaperValue("The paper's default is 10.")]
    [Range(1, int.MaxValue)]
    public int? MaxParticipations { get; init; }

    /// <inheritdoc/>
    public IReadOnlyList<Disclosure> Disclosures => PreferredSeconds is null ? [Disclosure.ClientMetrics] : [Disclosure.ClientMetrics, Disclosure.Timing];

    /// <inheritdoc/>
    public void Validate(long population)
    {
        CohortSize.Validate("utility", Size, Fraction, population);
        CohortSize.ValidateScan("utility", population);
    }

    /// <inheritdoc/>
    public long MostWanted(long population) => CohortSize.Of(Size, Fraction, population);

    /// <inheritdoc/>
    public Cohort Select(SelectionContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        int wanted = (int)MostWanted(context.Clients.Count), asked = context.AskedFor(wanted);
        ILookup<bool, long> known = context.AvailableClients().ToLookup(client => context.History.Of(client).Loss is not null);
        List<long> fresh = [.. known[false]];
        List<(long Client, double Utility)> candidates =
            [.. known[true].Where(client => context.History.Of(client).Asked < (MaxParticipations ?? int.MaxValue)).Select(client => (client, UtilityOf(client, context)))];

        double share = Math.Max(LeastExploration, Exploration * Math.Pow(ExplorationDecay, context.Round - 1));
        int explored = Math.Min(fresh.Count, Math.Max((int)Math.Round(share * asked), asked - candidates.Count));
        List<long> members = [.. Exploit(candidates, asked - explored, context), .. Explore(fresh, explored, context)];
        context.Random.Shuffle(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(members));
        return new Cohort(members, Math.Min(wanted, members.Count));
    }

    private double UtilityOf(long client, SelectionContext context)
    {
        Participation part = context.History.Of(client);
        double utility = (part.Examples ?? 0) * Math.Max(0, part.Loss ?? 0);
        utility += Math.Sqrt(0.1 * Math.Log(context.Round) / part.LastRound);
        return part.Seconds > PreferredSeconds ? utility * Math.Pow(PreferredSeconds.Value / part.Seconds.Value, Penalty) : utility;
    }

    // Drawn by utility among those within the cut-off of the smallest of the best.
    private List<long> Exploit(List<(long Client, double Utility)> candidates, int count, SelectionContext context)
    {
        if (count <= 0 || candidates.Count == 0) return [];
        double[] ascending = [.. candidates.Select(candidate => candidate.Utility).Order()];
        double most = ascending[(int)Math.Min(ascending.Length - 1, ClipQuantile * ascending.Length)];
        double least = CutOff * Math.Min(most, ascending[Math.Max(0, ascending.Length - count)]);
        return Draw([.. candidates.Select(c => (c.Client, Math.Min(most, c.Utility))).Where(c => c.Item2 >= least)], count, context);
    }

    // Drawn by speed, as far as it is known.
    private static List<long> Explore(List<long> fresh, int count, SelectionContext context) =>
        Draw([.. fresh.Select(client => (client, context.Clients.Get(client).ExamplesPerSecond ?? 1))], count, context);

    // Without replacement, each in proportion to its weight: the largest of u^(1/w) (Efraimidis and Spirakis 2006).
    private static List<long> Draw(List<(long Client, double Weight)> from, int count, SelectionContext context) =>
    [
        .. from.Select(entry => (entry.Client, Key: Math.Log(1 - context.Random.NextDouble()) / Math.Max(entry.Weight, double.Epsilon)))
            .OrderByDescending(entry => entry.Key).Take(count).Select(entry => entry.Client),
    ];
}
