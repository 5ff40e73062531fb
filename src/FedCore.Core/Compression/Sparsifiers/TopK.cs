using System.ComponentModel.DataAnnotations;
using System.Runtime.InteropServices;
using FedCore.Naming;
using FedCore.Numerics;

namespace FedCore.Compression.Sparsifiers;

/// <summary>
/// The numbers of the largest magnitude. What is not sent stays at the client and is added to its next update (error feedback: Stich et al. 2018), so that nothing is
/// lost, only late. Each client sends places of its own, which secure aggregation cannot sum.
/// </summary>
[Paper("Stich et al. 2018, Sparsified SGD with Memory", "https://arxiv.org/abs/1809.07599")]
public sealed class TopK : ISparsifier
{
    /// <summary>The share of the numbers, above 0 and at most 1.</summary>
    [Range(0, 1, MinimumIsExclusive = true)]
    public double Share { get; init; } = 0.01;

    /// <summary>Whether the client keeps what it did not send. Without it numbers that are never among the largest are never learned.</summary>
    public bool ErrorFeedback { get; init; } = true;

    /// <inheritdoc/>
    public bool IsShared => false;

    /// <inheritdoc/>
    public bool KeepsClientState => ErrorFeedback;

    /// <inheritdoc/>
    public long CountOf(long length) => Math.Clamp((long)Math.Round(Share * length), 1, length);

    /// <inheritdoc/>
    public void Choose(FlatVector? values, long length, RandomStream random, Span<long> places)
    {
        ArgumentNullException.ThrowIfNull(values);

        // Without their sign floats have the order of their bits. The magnitude from which on is chosen is found eleven, ten and ten bits at a time; of those
        // that are equal to it the first are taken.
        int threshold = 0;
        long wanted = places.Length;
        Span<long> counts = stackalloc long[1 << 11];
        foreach ((int shift, int bits) in ((int, int)[])[(20, 11), (10, 10), (0, 10)])
        {
            int known = shift + bits, mask = (1 << bits) - 1;
            counts.Clear();
            foreach ((long offset, int count) in VectorBlocks.Of(length))
            {
                foreach (int value in MemoryMarshal.Cast<float, int>(values.Slice(offset, count)))
                {
                    int magnitude = value & int.MaxValue;
                    if (known == 31 || magnitude >> known == threshold >> known) counts[magnitude >> shift & mask]++;
                }
            }

            int digit = mask;
            for (; counts[digit] < wanted; digit--) wanted -= counts[digit];
            threshold |= digit << shift;
        }

        int chosen = 0;
        foreach ((long offset, int count) in VectorBlocks.Of(length))
        {
            ReadOnlySpan<int> block = MemoryMarshal.Cast<float, int>(values.Slice(offset, count));
            for (int i = 0; i < block.Length && chosen < places.Length; i++)
            {
                int magnitude = block[i] & int.MaxValue;
                if (magnitude > threshold || (magnitude == threshold && wanted-- > 0)) places[chosen++] = offset + i;
            }
        }
    }
}
