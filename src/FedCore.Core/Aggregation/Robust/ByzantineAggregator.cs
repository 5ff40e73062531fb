using System.ComponentModel.DataAnnotations;
using FedCore.Updates;

namespace FedCore.Aggregation.Robust;

/// <summary>A rule that withstands a number f of the updates in a round, whatever they are.</summary>
public abstract class ByzantineAggregator : RobustAggregator
{
    /// <summary>The number f of updates in a round that may be anything; null for a share of them.</summary>
    [Range(0, 1_000_000)]
    public int? Byzantine { get; init; }

    /// <summary>The share of the updates that a round wants which may be anything, rounded up, where no number is given.</summary>
    [Range(0, 0.5)]
    public double Share { get; init; } = 0.2;

    /// <summary>How many updates the rule needs, as an inequality such as <c>n >= 4f + 3</c>.</summary>
    private protected abstract string Inequality { get; }

    // The number f that follows from the share, once it is known how many updates a round wants.
    private int? _planned;

    /// <inheritdoc/>
    public override IAggregator For(int wanted)
    {
        var planned = (ByzantineAggregator)MemberwiseClone();
        planned._planned = Byzantine ?? ByzantineOf(wanted);
        return planned;
    }

    /// <inheritdoc/>
    public override int ToleratedOf(int wanted) => Byzantine ?? ByzantineOf(wanted);

    /// <inheritdoc/>
    public override string? FaultFor(UpdateLayout layout, int updates, int refused = 0)
    {
        int byzantine = ByzantineOf(updates, refused);
        long needed = NeededFor(byzantine);
        if (updates >= needed) return FaultOfLayout(layout);
        return updates == int.MaxValue
            ? $"it needs {Inequality}, which no number n of updates meets with a share of {Share}"
            : $"it needs {Inequality}: with f = {byzantine}{(Byzantine is null ? $" (a share of {Share})" : "")} that is n >= {needed}, but n is {updates}";
    }

    /// <summary>The number f for a number of updates.</summary>
    /// <param name="updates">How many updates there are.</param>
    /// <param name="refused">How many more came that are no updates: each of them is one of the f.</param>
    /// <returns>The number.</returns>
    internal int ByzantineOf(int updates, int refused = 0) =>
        Math.Max(0, (Byzantine ?? _planned ?? (int)Math.Ceiling((decimal)Share * (updates + refused))) - refused);

    /// <summary>The number f for updates that are there.</summary>
    /// <param name="updates">The updates; those that were refused are of the f.</param>
    private protected int ByzantineOf(SpooledUpdates updates) => ByzantineOf(updates.Rows.Count, updates.Refused.Count);

    /// <summary>How many updates the rule needs at least.</summary>
    /// <param name="byzantine">The number f.</param>
    /// <returns>The number n.</returns>
    private protected abstract long NeededFor(long byzantine);

    /// <summary>Says why the rule cannot judge updates of a layout.</summary>
    /// <param name="layout">The layout.</param>
    /// <returns>A sentence without its end, or null.</returns>
    private protected virtual string? FaultOfLayout(UpdateLayout layout) => null;
}
