namespace FedCore.Privacy.Accounting;

/// <summary>
/// Ways to take part in a block of steps that come to the same sum. Of its leaves the first h and the last t can stay free exactly where h is at most <paramref name="First"/>,
/// t at most <paramref name="Last"/> and h + t at most <paramref name="Both"/>: so it is for one leaf, and joining blocks keeps it so. No h or t above the separation is ever asked for.
/// </summary>
/// <param name="Sum">The sum over the block's nodes.</param>
/// <param name="First">How many first leaves can stay free, at least 0, at most the separation and <paramref name="Both"/>.</param>
/// <param name="Last">How many last leaves can, likewise.</param>
/// <param name="Both">How many of both together can, at most twice the separation.</param>
internal readonly record struct TreePattern(long Sum, long First, long Last, long Both)
{
    /// <summary>One participation, in a block of one step.</summary>
    public static TreePattern Leaf => new(1, 0, 0, 0);

    /// <summary>No participation.</summary>
    public static TreePattern Empty(int separation) => new(0, separation, separation, 2L * separation);

    /// <summary>Whether it comes to as much and can leave free whatever the other can.</summary>
    public bool IsAtLeast(TreePattern other) => Sum >= other.Sum && First >= other.First && Last >= other.Last && Both >= Math.Min(other.Both, other.First + other.Last);

    /// <summary>All that either can, where one pattern says it; else null. A gap would begin where one has its last h and the other its last t.</summary>
    public TreePattern? With(TreePattern other) =>
        Sum == other.Sum && Both == other.Both && Math.Min(First, other.First) + Math.Min(Last, other.Last) + 2 > Both
            ? this with { First = Math.Max(First, other.First), Last = Math.Max(Last, other.Last) }
            : null;

    /// <summary>This block, and behind it one without participations.</summary>
    public TreePattern ThenFree(long size, int separation) => Limited(Sum, First, Last + size, Both + size, separation);

    /// <summary>This block, behind one without participations.</summary>
    public TreePattern AfterFree(long size, int separation) => Limited(Sum, First + size, Last, Both + size, separation);

    /// <summary>This block and one behind it; null where the separation does not fit. The leaves that stay free at the end of the one and the beginning of the other are the separation.</summary>
    public TreePattern? Then(TreePattern right, int separation)
    {
        long first = Math.Min(First, Both + right.First - separation), last = Math.Min(right.Last, Last + right.Both - separation), both = Both + right.Both - separation;
        return Last + right.First < separation || first < 0 || last < 0 || both < 0 ? null : Limited(Sum + right.Sum, first, last, both, separation);
    }

    private static TreePattern Limited(long sum, long first, long last, long both, int separation) =>
        new(sum, Math.Min(first, Math.Min(separation, both)), Math.Min(last, Math.Min(separation, both)), Math.Min(both, 2L * separation));
}
