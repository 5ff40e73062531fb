using System.ComponentModel.DataAnnotations;
using FedCore.SecureAggregation.Graphs;
using FedCore.SecureAggregation.Messages;
using FedCore.SecureAggregation.Ring;

namespace FedCore.Rounds;

/// <summary>
/// The run is held only where nobody but the site sees its update: the aggregator learns sums over a cohort and nothing else. Each site compares this with what it
/// demands by itself.
/// </summary>
public sealed record SecureAggregationPolicy
{
    /// <summary>A sum of fewer clients is never formed.</summary>
    [Range(2, GraphRule.MostClients)]
    public int MinimumCohort { get; init; } = 3;

    /// <summary>The share of the clients ready to be summed that may vanish while they are; with more the attempt fails.</summary>
    [Range(0, 0.9)]
    public double MaximumDropout { get; init; } = 0.25;

    /// <summary>From 100 clients on: the share of them that may be the adversary's. With fewer clients a third of them may be, whatever this says.</summary>
    [Range(0, 0.9)]
    public double AdversarialRate { get; init; } = 0.05;

    /// <summary>From 100 clients on: what the aggregator may do without learning more than sums.</summary>
    public Adversary Adversary { get; init; } = Adversary.SplitView;

    /// <summary>The largest Euclidean norm of a client's change of the model, and of each vector beside it; a longer one is scaled down to it.</summary>
    [Range(0, double.MaxValue, MinimumIsExclusive = true)]
    public double Clip { get; init; } = 100;

    /// <summary>Bits of each number on the wire; null for 32, or with <see cref="Scale"/> for as few as the sum needs.</summary>
    [Range(2, RingEncoding.MostBits)]
    public int? Bits { get; init; }

    /// <summary>Steps per unit to which numbers are rounded, at random to the one above or below; null for as many as the bits allow.</summary>
    [Range(0, double.MaxValue, MinimumIsExclusive = true)]
    public double? Scale { get; init; }

    /// <summary>How many seconds clients have to answer each of the five messages, at most 30 days.</summary>
    [Range(0, 2_592_000, MinimumIsExclusive = true)]
    public double StageSeconds { get; init; } = 300;

    /// <summary>How often a round's sum is tried, with those who are left, before the round is abandoned.</summary>
    [Range(1, 100)]
    public int Attempts { get; init; } = 3;

    /// <summary>How numbers become elements of the ring.</summary>
    internal RingOptions Ring => new() { Clip = Clip, Bits = Bits, Scale = Scale };

    /// <summary>Neighbours and threshold for a number of clients.</summary>
    /// <exception cref="FedCoreException">There are none that are safe (<c>secagg.parameters</c>).</exception>
    internal GraphParameters GraphFor(int clients) => new GraphRule(clients, Adversary == Adversary.None ? 0 : AdversarialRate, MaximumDropout, Adversary).Choose();

    /// <summary>How many of a number of clients must be in a sum.</summary>
    internal int LeastOf(int clients) => SessionTerms.LeastSurvivors(clients, MinimumCohort, MaximumDropout);
}
