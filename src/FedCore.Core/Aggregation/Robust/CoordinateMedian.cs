using System.Numerics.Tensors;
using FedCore.Naming;
using FedCore.Numerics;

namespace FedCore.Aggregation.Robust;

/// <summary>
/// The median over the clients of each number by itself (Yin et al. 2018, definition 1). It withstands less than half of the updates, and drifts from the mean where
/// clients differ much.
/// </summary>
[Paper("Yin et al. 2018, Byzantine-Robust Distributed Learning: Towards Optimal Statistical Rates", "https://arxiv.org/abs/1803.01498")]
public sealed class CoordinateMedian : RobustAggregator
{
    private protected override async Task<IReadOnlyList<int>> EstimateAsync(SpooledUpdates updates, FlatVector mean, AggregationResources resources, CancellationToken ct)
    {
        int count = updates.Rows.Count, lower = (count - 1) / 2, upper = count / 2;
        var network = new SortingNetwork(count, lower, upper - lower + 1);
        await BlockPass.RunAsync(
            updates, updates.Rows, 0, updates.Layout.VectorLength, resources,
            (in block) =>
            {
                network.Sort(block);
                Span<float> target = mean.Slice(block.Offset, block.Columns);

                // Halved before they are added: the sum of two large ones may be too large.
                TensorPrimitives.Multiply(block.Row(lower), 0.5f, target);
                TensorPrimitives.FusedMultiplyAdd(block.Row(upper), 0.5f, target, target);
            },
            ct).ConfigureAwait(false);
        return [];
    }
}
