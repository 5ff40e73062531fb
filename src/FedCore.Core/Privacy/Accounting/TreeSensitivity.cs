using System.Collections.Concurrent;
using System.Numerics;

namespace FedCore.Privacy.Accounting;

/// <summary>
/// What one unit changes in a tree of partial sums at most: the largest sum, over the nodes whose steps are all there, of the squared number of the unit's participations below
/// the node (Kairouz et al. 2021, "Practical and private (deep) learning without sampling or shuffling", appendix D.2).
/// </summary>
internal static class TreeSensitivity
{
    // The same is asked at every Renyi order, for every noise and for the rounds so far after each round.
    private const int MostKept = 1 << 14, MostBlocksKept = 1 << 6;

    private static readonly ConcurrentDictionary<(int Steps, int Most, int Separation), long> Known = new();
    private static readonly ConcurrentDictionary<(int Separation, int Most), TreeBlocks> Blocks = new();

    /// <summary>The squared Euclidean sensitivity, in units of one contribution's clip squared.</summary>
    /// <param name="steps">Leaves, at least 1.</param>
    /// <param name="maxParticipations">Participations at most, at least 1.</param>
    /// <param name="minSeparation">Leaves between two of them at least.</param>
    /// <returns>A whole number: exact where all ways to take part can be gone through, and else hardly above. It falls neither with more steps nor with more participations.</returns>
    public static long Squared(int steps, int maxParticipations, int minSeparation)
    {
        int most = Fitting(steps, maxParticipations, minSeparation);
        if (most == 1) return BitOperations.Log2((uint)steps) + 1;
        if (Known.Count > MostKept) Known.Clear();
        return Known.GetOrAdd((steps, most, minSeparation), _ =>
        {
            // Blocks are shared by all trees of about as many participations. Rounding up also sees to it that whoever asks for more never gets more levels, and so never a lower bound.
            if (Blocks.Count > MostBlocksKept) Blocks.Clear();
            return Squared(steps, most, Blocks.GetOrAdd((minSeparation, (int)Math.Min(int.MaxValue, BitOperations.RoundUpToPowerOf2((uint)most))), key => new TreeBlocks(key.Separation, key.Most)));
        });
    }

    /// <summary>The same, by blocks of which not all may be known.</summary>
    internal static long Squared(int steps, int maxParticipations, TreeBlocks blocks)
    {
        int most = Fitting(steps, maxParticipations, blocks.Separation), top = BitOperations.Log2(BitOperations.RoundUpToPowerOf2((uint)steps));
        if (blocks.At(top) is not null) return Exact(steps, most, blocks);
        long least = long.MaxValue;
        for (int level = 0; blocks.At(level) is not null; level++) least = Math.Min(least, Bound(steps, most, blocks, level));
        return least;
    }

    /// <summary>
    /// An upper bound by the blocks of one level. The nodes up to the level lie each within one block of 2^level steps (the last may be cut short, which takes nodes away), and those of a
    /// block with c participations add up to at most best(c), so that all together are at most the sum of c best(c)/c over blocks, which is at most K max best(c)/c for K participations in all.
    /// A node of a level above, with m steps, has at most C = min(K, ceil(m/(separation + 1))) of them. The sum of squares of numbers from 0 to C that add up to K or less is
    /// convex, and so largest where all but one are 0 or C: floor(K/C) times C^2 and the square of what is left, or C^2 for each of the floor(steps/m) nodes where these are fewer. Without
    /// separation the first K leaves reach this in every level at once, and the bound of level 0 is exact.
    /// </summary>
    internal static long Bound(int steps, int maxParticipations, TreeBlocks blocks, int level)
    {
        int most = Fitting(steps, maxParticipations, blocks.Separation);
        List<TreePattern>[] ways = blocks.At(level)!;
        long sum = 0;
        for (int count = 1; count < ways.Length && count <= most; count++) sum = Math.Max(sum, most * ways[count].Max(pattern => pattern.Sum) / count);
        for (long size = 2L << level; size <= steps; size *= 2)
        {
            long fitting = Math.Min(most, (size - 1) / (blocks.Separation + 1L) + 1), full = most / fitting, left = most % fitting, nodes = steps / size;
            sum += full < nodes ? full * fitting * fitting + left * left : nodes * fitting * fitting;
        }

        return sum;
    }

    private static int Fitting(int steps, int maxParticipations, int separation) => (int)Math.Min(maxParticipations, (steps - 1) / (separation + 1L) + 1);

    // The steps' binary digits are the sizes of the complete trees side by side, the largest first.
    private static long Exact(int steps, int most, TreeBlocks blocks)
    {
        List<TreePattern>[]? forest = null;
        for (int level = 0; steps >> level > 0; level++)
        {
            if ((steps >> level & 1) == 0) continue;
            List<TreePattern>[] whole = blocks.At(level)!;
            forest = forest is null ? whole : TreeBlocks.Join(whole, 1L << level, forest, steps & ((1L << level) - 1), most, blocks.Separation, isNode: false, long.MaxValue)!;
        }

        return forest!.Take(most + 1).SelectMany(patterns => patterns).Max(pattern => pattern.Sum);
    }
}
