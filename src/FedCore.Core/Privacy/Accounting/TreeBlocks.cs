namespace FedCore.Privacy.Accounting;

/// <summary>The best ways to take part in a complete tree of 1, 2, 4, ... steps. They are found when they are first asked for.</summary>
/// <param name="separation">Steps between two participations at least.</param>
/// <param name="most">Participations at most.</param>
/// <param name="mostWork">How many patterns are compared for one level at most, before it counts as too costly.</param>
internal sealed class TreeBlocks(int separation, int most, long mostWork = TreeBlocks.MostWork)
{
    // A tenth of a second.
    private const long MostWork = 10_000_000;

    private readonly Lock _gate = new();
    private readonly List<List<TreePattern>[]> _levels = [[[TreePattern.Empty(separation)], [TreePattern.Leaf]]];
    private bool _isExhausted;

    /// <summary>Steps between two participations at least.</summary>
    public int Separation => separation;

    /// <summary>The best patterns of 2^level steps by the number of participations; null where they are too costly to find.</summary>
    public List<TreePattern>[]? At(int level)
    {
        lock (_gate)
        {
            while (_levels.Count <= level && !_isExhausted)
            {
                List<TreePattern>[] half = _levels[^1];
                long size = 1L << (_levels.Count - 1);
                if (Join(half, size, half, size, most, separation, isNode: true, mostWork) is { } whole) _levels.Add(whole);
                else _isExhausted = true;
            }

            return level < _levels.Count ? _levels[level] : null;
        }
    }

    /// <summary>The best patterns of two neighbouring blocks, by the number of participations in both together; null where that is too much work.</summary>
    public static List<TreePattern>[]? Join(List<TreePattern>[] left, long leftSize, List<TreePattern>[] right, long rightSize, int most, int separation, bool isNode, long work)
    {
        var joined = new List<TreePattern>[Math.Min(most, left.Length + right.Length - 2) + 1];
        for (int count = 0; count < joined.Length; count++)
        {
            joined[count] = [];
            for (int first = Math.Max(0, count - right.Length + 1); first <= Math.Min(count, left.Length - 1); first++)
                foreach (TreePattern a in left[first])
                    foreach (TreePattern b in right[count - first])
                    {
                        if ((work -= 1 + joined[count].Count) < 0) return null;
                        TreePattern? both = first == count ? a.ThenFree(rightSize, separation) : first == 0 ? b.AfterFree(leftSize, separation) : a.Then(b, separation);
                        if (both is { } added) Keep(joined[count], isNode ? added with { Sum = added.Sum + (long)count * count } : added);
                    }
        }

        int used = joined.Length;
        while (used > 1 && joined[used - 1].Count == 0) used--;
        return joined[..used];
    }

    private static void Keep(List<TreePattern> patterns, TreePattern added)
    {
        for (int i = 0; i < patterns.Count; i++)
        {
            if (patterns[i].IsAtLeast(added)) return;
            if (patterns[i].With(added) is not { } all) continue;

            // What is wider may be met by those that were passed already.
            added = all;
            patterns.RemoveAt(i);
            i = -1;
        }

        patterns.RemoveAll(added.IsAtLeast);
        patterns.Add(added);
    }
}
