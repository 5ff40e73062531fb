using System.ComponentModel.DataAnnotations;
using FedCore.Updates;

namespace FedCore.Aggregation.Robust;

/// <summary>A rule that withstands a number f of the updates in a round, whatever they are.</summary>
public abstract class ByzantineAggregator : RobustAggregator
{
    /// <summary>The number f of updates in a round that may be anything; null for a share of them.</summary>
    [Range(0, 1_000_000)]
    public int? Byzantine { get; init; }

    /// <summary>The share of the updates in a round that may be anything, rounded down, where no number is given.</summary>
    [Range(0, 0.5)]
    public double Share { get; init; } = 0.2;

    /// <summary>How many updates the rule needs, as an inequality such as <c>n >= 4f + 3</c>.</summary>
    private protected abstract string Inequality { get; }

    /// <inheritdoc/>
    public override string? FaultFor(UpdateLayout layout, int updates)
    {
        int byzantine = ByzantineOf(updates), needed = NeededFor(byzantine);
        return updates >= needed ? FaultOfLayout(layout) : $"it needs {Inequality}: with f = {byzantine} that is n >= {needed}, but n is {updates}";
    }

    /// <summary>The number f for a number of updates.</summary>
    /// <param name="updates">How many updates there are.</param>
    /// <returns>The number.</returns>
    internal int ByzantineOf(int updates) => Byzantine ?? (int)((decimal)Share * updates);

    /// <summary>How many updates the rule needs at least.</summary>
    /// <param name="byzantine">The number f.</param>
    /// <returns>The number n.</returns>
    private protected abstract int NeededFor(int byzantine);

    /// <summary>Says why the rule cannot judge updates of a layout.</summary>
    /// <param name="layout">The layout.</param>
    /// <returns>A sentence without its end, or null.</returns>
    private protected virtual string? FaultOfLayout(UpdateLayout layout) => null;
}
