using System.Numerics.Tensors;
using FedCore.Naming;
using FedCore.Numerics;

namespace FedCore.Aggregation.Robust;

/// <summary>The mean of each number by itself without the f smallest and the f largest (Yin et al. 2018, definition 2).</summary>
[Paper("Yin et al. 2018, Byzantine-Robust Distributed Learning: Towards Optimal Statistical Rates", "https://arxiv.org/abs/1803.01498")]
public sealed class TrimmedMean : ByzantineAggregator
{
    private protected override string Inequality => "n > 2f";

    private protected override long NeededFor(long byzantine) => 2 * byzantine + 1;

    private protected override async Task<IReadOnlyList<int>> EstimateAsync(SpooledUpdates updates, FlatVector mean, AggregationResources resources, CancellationToken ct)
    {
        int trimmed = ByzantineOf(updates), kept = updates.Rows.Count - 2 * trimmed;
        var network = new SortingNetwork(updates.Rows.Count, trimmed, kept);
        await BlockPass.RunAsync(
            updates, updates.Rows, 0, updates.Layout.VectorLength, resources,
            (in block) =>
            {
                network.Sort(block);
                Span<float> target = mean.Slice(block.Offset, block.Columns);
                block.Row(trimmed).CopyTo(target);
                for (int row = trimmed + 1; row < trimmed + kept; row++) TensorPrimitives.Add(target, block.Row(row), target);
                TensorPrimitives.Multiply(target, 1f / kept, target);
            },
            ct).ConfigureAwait(false);
        return [];
    }
}
