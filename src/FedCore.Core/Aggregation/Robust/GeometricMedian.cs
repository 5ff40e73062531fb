using System.ComponentModel.DataAnnotations;
using FedCore.Naming;
using FedCore.Numerics;
using FedCore.Updates;

namespace FedCore.Aggregation.Robust;

/// <summary>
/// RFA (Pillutla et al. 2022): the point whose distances to the updates add up to the least, by the smoothed Weiszfeld algorithm (algorithm 2): a mean in which an update
/// counts in inverse proportion to its distance, again and again. It withstands less than half of the updates.
/// </summary>
/// <remarks>In the paper clients count by their examples; here all count the same, since a client may claim any number.</remarks>
[Paper("Pillutla et al. 2022, Robust Aggregation for Federated Learning", "https://arxiv.org/abs/1912.13445")]
public sealed class GeometricMedian : RobustAggregator
{
    /// <summary>The most steps.</summary>
    [PaperValue("The authors' code takes 4, behind which updates that are larger a thousand times would still count.")]
    [Range(1, 10_000)]
    public int Iterations { get; init; } = 100;

    /// <summary>The least distance nu by which is divided, as a share of the median distance, above 0.</summary>
    [PaperValue("The authors' code has 1e-5 for all distances.")]
    [Range(0, 1, MinimumIsExclusive = true)]
    public double Smoothing { get; init; } = 1e-5;

    /// <summary>It ends where a step changes most distances by less than this share of themselves.</summary>
    [PaperValue("The authors' code has 1e-6, of the sum of the distances, which a single huge update decides.")]
    [Range(0, 1)]
    public double Tolerance { get; init; } = 1e-6;

    /// <inheritdoc/>
    public override string? FaultFor(UpdateLayout layout, int updates, int refused = 0) => FaultOfSections(layout);

    private protected override async Task<IReadOnlyList<int>> EstimateAsync(SpooledUpdates updates, FlatVector mean, AggregationResources resources, CancellationToken ct)
    {
        int count = updates.Rows.Count;
        double[] factors = [.. Enumerable.Repeat(1.0 / count, count)], before = [];
        for (int step = 0; step < Iterations; step++)
        {
            double[] distances = [.. (await Combination.SquaredDistancesAsync(updates, factors, resources, ct).ConfigureAwait(false)).Select(Math.Sqrt)];
            double middle = Median(distances);
            if (middle == 0 || (step > 0 && Median([.. distances.Zip(before, (now, then) => Math.Abs(then - now) / Math.Max(now, middle))]) <= Tolerance)) break;
            before = distances;
            double[] shares = [.. distances.Select(distance => 1 / Math.Max(Smoothing * middle, distance))];
            double sum = shares.Sum();
            factors = [.. shares.Select(share => share / sum)];
        }

        await Combination.SumAsync(updates, factors, mean, resources, ct).ConfigureAwait(false);
        return [];
    }
}
