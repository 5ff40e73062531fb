using System.Runtime.Intrinsics;
using FedCore.Naming;
using FedCore.Numerics;
using FedCore.Updates;

namespace FedCore.Aggregation.Robust;

/// <summary>
/// Krum again and again until n - 2f updates are chosen, and of these the mean of each number by itself over the n - 4f that lie nearest to its median (El Mhamdi et
/// al. 2018, section 4). Harm that hides in a few numbers of an update passes by its distance, but not by both.
/// </summary>
[Paper("El Mhamdi et al. 2018, The Hidden Vulnerability of Distributed Learning in Byzantium", "https://arxiv.org/abs/1802.07927")]
public sealed class Bulyan : ByzantineAggregator
{
    private protected override string Inequality => "n >= 4f + 3";

    private protected override long NeededFor(long byzantine) => 4 * byzantine + 3;

    private protected override string? FaultOfLayout(UpdateLayout layout) => FaultOfSections(layout);

    private protected override async Task<IReadOnlyList<int>> EstimateAsync(SpooledUpdates updates, FlatVector mean, AggregationResources resources, CancellationToken ct)
    {
        int byzantine = ByzantineOf(updates), chosen = updates.Rows.Count - 2 * byzantine, averaged = chosen - 2 * byzantine;
        var scores = new KrumScores(await PairwiseDistances.ComputeAsync(updates, resources, ct).ConfigureAwait(false), byzantine);
        int[] places = [.. Enumerable.Range(0, chosen).Select(_ => scores.TakeBest()).Order()], rows = [.. places.Select(place => updates.Rows[place])];
        var network = new SortingNetwork(chosen, 0, chosen);
        await BlockPass.RunAsync(
            updates, rows, 0, updates.Layout.VectorLength, resources,
            (in block) =>
            {
                network.Sort(block);
                MeanAroundMedian(block, averaged, mean.Slice(block.Offset, block.Columns));
            },
            ct).ConfigureAwait(false);
        return [.. Enumerable.Range(0, updates.Rows.Count).Except(places)];
    }

    // In order, the nearest to the median are neighbours of each other: a window, which moves up as long as the number behind its end is nearer than its first one.
    private static unsafe void MeanAroundMedian(in BlockPass.Block block, int count, Span<float> target)
    {
        int lower = (block.Rows - 1) / 2, upper = block.Rows / 2;
        float* results = stackalloc float[16];
        for (int column = 0; column < block.Columns; column += 16)
        {
            float* values = block.Values + column;
            Vector512<float> half = Vector512.Create(0.5f), median = At(values, block, lower) * half + At(values, block, upper) * half, sum = default;
            Vector512<int> first = default;
            for (int start = 0; start + count < block.Rows; start++)
            {
                Vector512<float> isNearer = Vector512.LessThan(At(values, block, start + count) - median, median - At(values, block, start));
                first = Vector512.ConditionalSelect(isNearer.AsInt32(), Vector512.Create(start + 1), first);
            }

            for (int row = 0; row < block.Rows; row++)
            {
                Vector512<int> place = Vector512.Create(row), isIn = Vector512.LessThanOrEqual(first, place) & Vector512.LessThan(place, first + Vector512.Create(count));
                sum += isIn.AsSingle() & At(values, block, row);
            }

            (sum * (1f / count)).Store(results);
            new Span<float>(results, Math.Min(16, block.Columns - column)).CopyTo(target[column..]);
        }
    }

    private static unsafe Vector512<float> At(float* values, in BlockPass.Block block, int row) => Vector512.Load(values + (nint)row * block.Pitch);
}
