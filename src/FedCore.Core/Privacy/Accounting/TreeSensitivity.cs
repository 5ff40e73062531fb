using System.Numerics;

namespace FedCore.Privacy.Accounting;

/// <summary>
/// What one unit changes in a tree of partial sums at most: the largest sum, over the nodes whose steps are all there, of the squared number of the unit's participations below
/// the node (Kairouz et al. 2021, "Practical and private (deep) learning without sampling or shuffling", appendix D.2).
/// </summary>
internal static class TreeSensitivity
{
    /// <summary>The squared Euclidean sensitivity, in units of one contribution's clip squared.</summary>
    /// <param name="steps">Leaves, at least 1.</param>
    /// <param name="maxParticipations">Participations at most, at least 1.</param>
    /// <param name="minSeparation">Leaves between two of them at least.</param>
    /// <returns>A whole number.</returns>
    public static long Squared(int steps, int maxParticipations, int minSeparation)
    {
        // Separation beyond the tree is the same as one participation.
        var separation = Math.Min(minSeparation, steps);
        List<Pattern>[] whole = [Patterns(Pattern.Empty(separation)), Patterns(Pattern.Leaf(separation))], forest = [];
        int size = 1, levels = BitOperations.Log2((uint)steps);
        for (int level = 0; level <= levels; level++, size *= 2)
        {
            // The steps' binary digits are the sizes of the complete trees side by side, the largest first.
            if ((steps >> level & 1) != 0) forest = forest.Length == 0 ? whole : Join(whole, size, forest, steps & (size - 1), maxParticipations, separation, isNode: false);
            if (level < levels) whole = Join(whole, size, whole, size, maxParticipations, separation, isNode: true);
        }

        return forest.SelectMany(patterns => patterns).Max(pattern => pattern.Sum);
    }

    private static List<Pattern> Patterns(Pattern only) => [only];

    // The best patterns of two neighbouring blocks, by the number of participations in both together.
    private static List<Pattern>[] Join(List<Pattern>[] left, int leftSize, List<Pattern>[] right, int rightSize, int most, int separation, bool isNode)
    {
        var joined = new List<Pattern>[Math.Min(most, left.Length + right.Length - 2) + 1];
        for (int count = 0; count < joined.Length; count++)
        {
            joined[count] = [];
            for (int first = Math.Max(0, count - right.Length + 1); first <= Math.Min(count, left.Length - 1); first++)
                foreach (Pattern a in left[first])
                    foreach (Pattern b in right[count - first])
                        Keep(joined[count], a.Then(b, leftSize, rightSize, separation, isNode ? (long)count * count : 0));
        }

        int used = joined.Length;
        while (used > 1 && joined[used - 1].Count == 0) used--;
        return joined[..used];
    }

    private static void Keep(List<Pattern> patterns, Pattern added)
    {
        if (added.IsImpossible || patterns.Exists(other => other.IsAtLeast(added))) return;
        patterns.RemoveAll(added.IsAtLeast);
        patterns.Add(added);
    }

    /// <summary>Ways to take part in a block that come to the same sum.</summary>
    /// <param name="Count">Participations.</param>
    /// <param name="Sum">The sum over the block's nodes.</param>
    /// <param name="Tail">By the number of first leaves that must stay free: how many last leaves can stay free too, up to the separation; -1 where it cannot be.</param>
    private sealed record Pattern(int Count, long Sum, int[] Tail)
    {
        public bool IsImpossible => Tail[0] < 0;

        public static Pattern Empty(int separation) => new(0, 0, [.. Enumerable.Repeat(separation, separation + 1)]);

        public static Pattern Leaf(int separation) => new(1, 1, [0, .. Enumerable.Repeat(-1, separation)]);

        public bool IsAtLeast(Pattern other)
        {
            if (Sum < other.Sum) return false;
            for (int head = 0; head < Tail.Length; head++)
                if (Tail[head] < other.Tail[head]) return false;
            return true;
        }

        public Pattern Then(Pattern right, int size, int rightSize, int separation, long node)
        {
            int[] tail = new int[separation + 1];
            for (int head = 0; head <= separation; head++)
            {
                tail[head] = (Count, right.Count) switch
                {
                    (0, 0) => separation,
                    (0, _) => right.Tail[Math.Max(0, head - size)],
                    (_, 0) => Tail[head] < 0 ? -1 : Math.Min(separation, Tail[head] + rightSize),
                    _ => Tail[head] < 0 ? -1 : right.Tail[separation - Tail[head]],
                };
            }

            return new Pattern(Count + right.Count, Sum + right.Sum + node, tail);
        }
    }
}
