using System.ComponentModel.DataAnnotations;
using FedCore.Naming;
using FedCore.Numerics;
using FedCore.Updates;

namespace FedCore.Aggregation.Robust;

/// <summary>What rules by distance share: they judge updates by how near their neighbours are, and take the mean of the best.</summary>
public abstract class ScoringAggregator : ByzantineAggregator
{
    private protected override string Inequality => "n > 2f + 2";

    private protected override long NeededFor(long byzantine) => 2 * byzantine + 3;

    private protected override string? FaultOfLayout(UpdateLayout layout) => FaultOfSections(layout);

    private protected override async Task<IReadOnlyList<int>> EstimateAsync(SpooledUpdates updates, FlatVector mean, AggregationResources resources, CancellationToken ct)
    {
        double[,] distances = await PairwiseDistances.ComputeAsync(updates, resources, ct).ConfigureAwait(false);
        IReadOnlyList<int> chosen = Choose(new KrumScores(distances, ByzantineOf(updates)));
        double[] factors = new double[updates.Rows.Count];
        foreach (int update in chosen) factors[update] = 1.0 / chosen.Count;
        await Combination.SumAsync(updates, factors, mean, resources, ct).ConfigureAwait(false);
        return [.. Enumerable.Range(0, factors.Length).Except(chosen)];
    }

    /// <summary>Which updates the mean is formed of.</summary>
    /// <param name="scores">How near their neighbours the updates are.</param>
    /// <returns>Their places.</returns>
    private protected abstract IReadOnlyList<int> Choose(KrumScores scores);
}

/// <summary>The one update that lies nearest to its n - f - 2 nearest neighbours. It withstands f of n > 2f + 2, and learns from one client a round.</summary>
[Paper("Blanchard et al. 2017, Machine Learning with Adversaries: Byzantine Tolerant Gradient Descent", "https://arxiv.org/abs/1703.02757")]
public sealed class Krum : ScoringAggregator
{
    private protected override IReadOnlyList<int> Choose(KrumScores scores) => [scores.Ranking()[0]];
}

/// <summary>The mean of the updates that Krum finds best (Blanchard et al. 2017, section 5).</summary>
[Paper("Blanchard et al. 2017, Machine Learning with Adversaries: Byzantine Tolerant Gradient Descent", "https://arxiv.org/abs/1703.02757")]
public sealed class MultiKrum : ScoringAggregator
{
    /// <summary>How many updates, m; null for n - f, all but those that may be anything, which is the most. Fewer are safer.</summary>
    [PaperValue("The paper's proof is for 1.")]
    [Range(1, 1_000_000)]
    public int? Averaged { get; init; }

    /// <inheritdoc/>
    public override string? FaultFor(UpdateLayout layout, int updates, int refused = 0) => base.FaultFor(layout, updates, refused)
        ?? (Averaged > updates - ByzantineOf(updates, refused)
            ? $"it needs n - f >= m: m (averaged) is {Averaged}, but with f = {ByzantineOf(updates, refused)} n - f is {updates - ByzantineOf(updates, refused)}" : null);

    private protected override IReadOnlyList<int> Choose(KrumScores scores) => scores.Ranking()[..(Averaged ?? scores.Count - scores.Byzantine)];
}
