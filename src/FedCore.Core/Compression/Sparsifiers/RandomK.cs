using System.ComponentModel.DataAnnotations;
using FedCore.Naming;
using FedCore.Numerics;

namespace FedCore.Compression.Sparsifiers;

/// <summary>
/// A share of the numbers, drawn anew each round and the same for the whole cohort (the subsampling of Konečný et al. 2016, with one mask for all): the other numbers of
/// the model stay as they are for the round. Where they are follows from the public seed and is not sent, and sums are sums of the numbers sent.
/// </summary>
[Paper("Konečný et al. 2016, Federated Learning: Strategies for Improving Communication Efficiency", "https://arxiv.org/abs/1610.05492")]
public sealed class RandomK : ISparsifier
{
    /// <summary>The share of the numbers, above 0 and at most 1.</summary>
    [Range(0, 1, MinimumIsExclusive = true)]
    public double Share { get; init; } = 0.1;

    /// <summary>Whether what is sent is divided by the share, so that the mean over rounds is that of whole updates. The steps are then as much larger.</summary>
    public bool Unbiased { get; init; }

    /// <inheritdoc/>
    public bool IsLinear => true;

    /// <inheritdoc/>
    public bool IsShared => true;

    /// <inheritdoc/>
    public float Scale => Unbiased ? (float)(1 / Share) : 1;

    /// <inheritdoc/>
    public long CountOf(long length) => Math.Clamp((long)Math.Round(Share * length), 1, length);

    /// <inheritdoc/>
    public void Choose(FlatVector? values, long length, RandomStream random, Span<long> places)
    {
        ArgumentNullException.ThrowIfNull(random);

        // Selection sampling (Knuth, The Art of Computer Programming 2, algorithm 3.4.2S): every choice is equally likely.
        int chosen = 0;
        for (long place = 0; chosen < places.Length; place++)
            if (random.NextDouble() * (length - place) < places.Length - chosen) places[chosen++] = place;
    }
}
