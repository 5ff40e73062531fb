using System.ComponentModel.DataAnnotations;
using FedCore.Naming;
using FedCore.Numerics;
using FedCore.Updates;

namespace FedCore.Aggregation.Robust;

/// <summary>
/// The mean of updates that are scaled down to at most a Euclidean norm (Sun et al. 2019, section 5), so that nobody's counts for much more than another's. It
/// bounds the harm of a few and is no protection against many.
/// </summary>
[Paper("Sun et al. 2019, Can You Really Backdoor Federated Learning?", "https://arxiv.org/abs/1911.07963")]
public sealed class NormClipping : RobustAggregator
{
    /// <summary>The norm of a client's change of the model, above 0; null for the median of those in the round.</summary>
    [Range(0, double.MaxValue, MinimumIsExclusive = true)]
    public double? Norm { get; init; }

    /// <inheritdoc/>
    public override string? FaultFor(UpdateLayout layout, int updates, int refused = 0) => FaultOfSections(layout);

    /// <inheritdoc/>
    public override int ToleratedOf(int wanted) => 0;

    private protected override async Task<IReadOnlyList<int>> EstimateAsync(SpooledUpdates updates, FlatVector mean, AggregationResources resources, CancellationToken ct)
    {
        int count = updates.Rows.Count;
        double[] norms = [.. (await Combination.SquaredDistancesAsync(updates, new double[count], resources, ct).ConfigureAwait(false)).Select(Math.Sqrt)];
        double limit = Norm ?? Median(norms);
        double[] factors = [.. norms.Select(norm => (norm > limit ? limit / norm : 1) / count)];
        await Combination.SumAsync(updates, factors, mean, resources, ct).ConfigureAwait(false);
        return [];
    }
}
