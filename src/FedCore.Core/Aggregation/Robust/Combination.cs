using System.Numerics.Tensors;
using FedCore.Numerics;
using FedCore.Updates;

namespace FedCore.Aggregation.Robust;

/// <summary>Sums of updates with a factor each, and how far the updates lie from the sum.</summary>
internal static class Combination
{
    /// <summary><c>target = Σ factors[i] update[i]</c> over all vector sections.</summary>
    /// <param name="updates">The updates.</param>
    /// <param name="factors">A factor for each of <see cref="SpooledUpdates.Rows"/>; updates with the factor 0 are not read.</param>
    /// <param name="target">Receives the sum.</param>
    /// <param name="resources">Threads and memory.</param>
    /// <param name="ct">Cancels the walk.</param>
    public static async Task SumAsync(SpooledUpdates updates, double[] factors, FlatVector target, AggregationResources resources, CancellationToken ct)
    {
        int[] taken = [.. Enumerable.Range(0, factors.Length).Where(i => factors[i] != 0)];
        float[] own = [.. taken.Select(i => (float)factors[i])];
        if (taken.Length == 0)
        {
            target.Clear();
            return;
        }

        await BlockPass.RunAsync(
            updates, [.. taken.Select(i => updates.Rows[i])], 0, updates.Layout.VectorLength, resources,
            (in block) => Sum(block, own, target.Slice(block.Offset, block.Columns)), ct).ConfigureAwait(false);
    }

    /// <summary>The same for the model's change alone, with the squared distance of each update's from the sum.</summary>
    /// <param name="updates">The updates.</param>
    /// <param name="factors">A factor for each of <see cref="SpooledUpdates.Rows"/>.</param>
    /// <param name="resources">Threads and memory.</param>
    /// <param name="ct">Cancels the walk.</param>
    /// <returns>A squared distance for each of <see cref="SpooledUpdates.Rows"/>.</returns>
    public static async Task<double[]> SquaredDistancesAsync(SpooledUpdates updates, double[] factors, AggregationResources resources, CancellationToken ct)
    {
        (Section model, long begin) = updates.Layout.Find(Section.Model);
        float[] own = [.. factors.Select(factor => (float)factor)];
        double[][] lanes = [.. Enumerable.Range(0, BlockPass.Lanes).Select(_ => new double[factors.Length])];
        await BlockPass.RunAsync(
            updates, updates.Rows, begin, begin + model.Length, resources,
            (in block) =>
            {
                Span<float> sum = stackalloc float[block.Columns];
                Sum(block, own, sum);
                double[] distances = lanes[block.Lane];
                for (int row = 0; row < block.Rows; row++) distances[row] += VectorBlocks.SquaredDistance(block.Row(row), sum);
            },
            ct).ConfigureAwait(false);
        double[] totals = new double[factors.Length];
        foreach (double[] lane in lanes) TensorPrimitives.Add(totals, lane, totals);
        return totals;
    }

    private static void Sum(in BlockPass.Block block, float[] factors, Span<float> target)
    {
        TensorPrimitives.Multiply(block.Row(0), factors[0], target);
        for (int row = 1; row < block.Rows; row++)
            if (factors[row] != 0) TensorPrimitives.FusedMultiplyAdd(block.Row(row), factors[row], target, target);
    }
}
