using System.Numerics.Tensors;

namespace FedCore.Numerics;

/// <summary>Element-wise work on long vectors, in blocks that stay in the first-level cache. No reductions: their bits would depend on the vector width.</summary>
public static class VectorBlocks
{
    /// <summary>Elements per block: 16 KiB of floats, so that three operands fit a 48 KiB cache.</summary>
    public const int BlockLength = 4096;

    /// <summary><c>target += scale * addend</c>, element by element.</summary>
    /// <param name="target">The vector that changes.</param>
    /// <param name="scale">The factor.</param>
    /// <param name="addend">A vector at least as long as <paramref name="target"/>.</param>
    public static void AddScaled(FlatVector target, float scale, FlatVector addend)
    {
        ArgumentNullException.ThrowIfNull(target);
        ArgumentNullException.ThrowIfNull(addend);
        for (long offset = 0; offset < target.Length; offset += BlockLength)
        {
            int count = (int)Math.Min(BlockLength, target.Length - offset);
            Span<float> block = target.Slice(offset, count);
            TensorPrimitives.FusedMultiplyAdd(addend.Slice(offset, count), scale, block, block);
        }
    }

    /// <summary>The squared Euclidean norm, summed in double precision over 16 logical lanes, so that the bits are the same for any vector width.</summary>
    /// <param name="vector">The vector.</param>
    /// <param name="length">How many leading elements count.</param>
    /// <returns>The sum of squares.</returns>
    public static double SquaredNorm(FlatVector vector, long length)
    {
        ArgumentNullException.ThrowIfNull(vector);
        Span<double> lanes = stackalloc double[16];
        lanes.Clear();
        for (long offset = 0; offset < length; offset += BlockLength)
        {
            ReadOnlySpan<float> block = vector.Slice(offset, (int)Math.Min(BlockLength, length - offset));
            int i = 0;
            for (; i + 16 <= block.Length; i += 16)
                for (int lane = 0; lane < 16; lane++)
                    lanes[lane] += (double)block[i + lane] * block[i + lane];
            for (; i < block.Length; i++) lanes[i & 15] += (double)block[i] * block[i];
        }

        double sum = 0;
        foreach (double lane in lanes) sum += lane;
        return sum;
    }
}
