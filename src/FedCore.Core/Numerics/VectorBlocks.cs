using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace FedCore.Numerics;

/// <summary>Element-wise work on long vectors, in blocks that stay in the first-level cache. Sums run over 16 logical lanes.</summary>
public static class VectorBlocks
{
    /// <summary>Elements per block: 16 KiB of floats, so that three operands fit a 48 KiB cache.</summary>
    public const int BlockLength = 4096;

    /// <summary>The blocks of a vector, in order: offset and length of each.</summary>
    /// <param name="length">The vector's length, 0 or more.</param>
    /// <returns>What a loop runs over without allocating.</returns>
    public static Blocks Of(long length) => new(length);

    /// <summary>Copies a part of a vector to a part of another.</summary>
    /// <param name="source">The vector that is read.</param>
    /// <param name="first">The first element that is read.</param>
    /// <param name="target">The vector that is written.</param>
    /// <param name="place">The first element that is written.</param>
    /// <param name="length">How many elements.</param>
    public static void Copy(FlatVector source, long first, FlatVector target, long place, long length)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(target);
        foreach ((long offset, int count) in Of(length)) source.Slice(first + offset, count).CopyTo(target.Slice(place + offset, count));
    }

    /// <summary><c>target += addend</c>, element by element.</summary>
    /// <param name="target">The vector that changes.</param>
    /// <param name="addend">A vector at least as long as <paramref name="target"/>.</param>
    public static void Add(FlatVector target, FlatVector addend)
    {
        ArgumentNullException.ThrowIfNull(target);
        ArgumentNullException.ThrowIfNull(addend);
        for (long offset = 0; offset < target.Length; offset += BlockLength)
        {
            int count = (int)Math.Min(BlockLength, target.Length - offset);
            Span<float> block = target.Slice(offset, count);
            TensorPrimitives.Add(block, addend.Slice(offset, count), block);
        }
    }

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

    /// <summary><c>target = (left - right) x scale</c>, element by element; each of the two operations rounds.</summary>
    /// <param name="left">What is subtracted from.</param>
    /// <param name="right">What is subtracted, as long as <paramref name="left"/>.</param>
    /// <param name="scale">The factor.</param>
    /// <param name="target">Where the result goes, as long as <paramref name="left"/>.</param>
    public static void ScaledDifference(ReadOnlySpan<float> left, ReadOnlySpan<float> right, float scale, Span<float> target)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(right.Length, left.Length);
        ArgumentOutOfRangeException.ThrowIfNotEqual(target.Length, left.Length);
        ref float l = ref MemoryMarshal.GetReference(left), r = ref MemoryMarshal.GetReference(right), t = ref MemoryMarshal.GetReference(target);
        Vector512<float> factor = Vector512.Create(scale);
        nuint i = 0, length = (nuint)left.Length;
        for (; i + 32 <= length; i += 32)
        {
            Vector512<float> first = (Vector512.LoadUnsafe(ref l, i) - Vector512.LoadUnsafe(ref r, i)) * factor;
            Vector512<float> second = (Vector512.LoadUnsafe(ref l, i + 16) - Vector512.LoadUnsafe(ref r, i + 16)) * factor;
            first.StoreUnsafe(ref t, i);
            second.StoreUnsafe(ref t, i + 16);
        }

        for (int j = (int)i; j < left.Length; j++) target[j] = (left[j] - right[j]) * scale;
    }

    /// <summary>Whether the leading elements of a vector are all finite.</summary>
    /// <param name="vector">The vector.</param>
    /// <param name="length">How many leading elements count.</param>
    /// <returns>False if one is infinite or not a number.</returns>
    public static bool IsFinite(FlatVector vector, long length)
    {
        ArgumentNullException.ThrowIfNull(vector);
        for (long offset = 0; offset < length; offset += BlockLength)
            if (!IsFinite(vector.Slice(offset, (int)Math.Min(BlockLength, length - offset)))) return false;
        return true;
    }

    /// <summary>Whether all elements are finite.</summary>
    /// <param name="values">The elements.</param>
    /// <returns>False if one is infinite or not a number.</returns>
    public static bool IsFinite(ReadOnlySpan<float> values)
    {
        // Without its sign, a float is finite if and only if its bits, as a number, are below those of infinity.
        const int infinity = 0x7F800000;
        ReadOnlySpan<int> bits = MemoryMarshal.Cast<float, int>(values);
        ref int start = ref MemoryMarshal.GetReference(bits);
        Vector512<int> largest0 = default, largest1 = default, magnitude = Vector512.Create(int.MaxValue);
        nuint i = 0, length = (nuint)bits.Length;
        for (; i + 32 <= length; i += 32)
        {
            largest0 = Vector512.Max(largest0, Vector512.LoadUnsafe(ref start, i) & magnitude);
            largest1 = Vector512.Max(largest1, Vector512.LoadUnsafe(ref start, i + 16) & magnitude);
        }

        bool finite = Vector512.LessThanAll(Vector512.Max(largest0, largest1), Vector512.Create(infinity));
        for (int j = (int)i; j < bits.Length; j++) finite &= (bits[j] & int.MaxValue) < infinity;
        return finite;
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
        foreach ((long offset, int count) in Of(length)) AddSquares(vector.Slice(offset, count), lanes);
        return Sum(lanes);
    }

    /// <summary>The squared Euclidean distance of short vectors, summed like <see cref="SquaredNorm"/>.</summary>
    /// <param name="left">A vector of at most <see cref="BlockLength"/> elements.</param>
    /// <param name="right">Another, of the same length.</param>
    /// <returns>The sum of the squares of the differences, which are rounded to 32 bits.</returns>
    public static double SquaredDistance(ReadOnlySpan<float> left, ReadOnlySpan<float> right)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(left.Length, BlockLength);
        Span<double> lanes = stackalloc double[16];
        lanes.Clear();
        Span<float> difference = stackalloc float[left.Length];
        TensorPrimitives.Subtract(left, right, difference);
        AddSquares(difference, lanes);
        return Sum(lanes);
    }

    /// <summary>The squared Euclidean distance, summed like <see cref="SquaredNorm"/>.</summary>
    /// <param name="left">A vector.</param>
    /// <param name="right">Another.</param>
    /// <param name="length">How many leading elements count.</param>
    /// <returns>The sum of the squares of the differences, which are rounded to 32 bits.</returns>
    public static double SquaredDistance(FlatVector left, FlatVector right, long length)
    {
        ArgumentNullException.ThrowIfNull(left);
        ArgumentNullException.ThrowIfNull(right);
        Span<double> lanes = stackalloc double[16];
        lanes.Clear();
        Span<float> difference = stackalloc float[BlockLength];
        foreach ((long offset, int count) in Of(length))
        {
            TensorPrimitives.Subtract(left.Slice(offset, count), right.Slice(offset, count), difference[..count]);
            AddSquares(difference[..count], lanes);
        }

        return Sum(lanes);
    }

    /// <summary>Adds the squares of a block to 16 lanes, element by element from the first lane on; a block that another one follows has a multiple of 16 elements.</summary>
    /// <remarks>The product of two floats is exact in double precision, so it does not matter whether it is rounded before it is added.</remarks>
    internal static void AddSquares(ReadOnlySpan<float> block, Span<double> lanes)
    {
        ref float values = ref MemoryMarshal.GetReference(block);
        Vector512<double> lower = Vector512.Create<double>(lanes), upper = Vector512.Create<double>(lanes[8..]);
        int i = 0;
        for (; i + 16 <= block.Length; i += 16)
        {
            (Vector512<double> first, Vector512<double> second) = Vector512.Widen(Vector512.LoadUnsafe(ref values, (nuint)i));
            lower = Vector512.FusedMultiplyAdd(first, first, lower);
            upper = Vector512.FusedMultiplyAdd(second, second, upper);
        }

        lower.CopyTo(lanes);
        upper.CopyTo(lanes[8..]);
        for (; i < block.Length; i++) lanes[i & 15] += (double)block[i] * block[i];
    }

    /// <summary>The sum over the lanes, in order.</summary>
    internal static double Sum(ReadOnlySpan<double> lanes)
    {
        double sum = 0;
        foreach (double lane in lanes) sum += lane;
        return sum;
    }

    /// <summary>A loop over blocks.</summary>
    /// <param name="length">The vector's length.</param>
    [System.Diagnostics.CodeAnalysis.SuppressMessage("Design", "CA1034", Justification = "Only a loop names it.")]
    public struct Blocks(long length)
    {
        private long _next;

        /// <summary>The block: its first element, and how many it has.</summary>
        public (long Offset, int Count) Current { get; private set; }

        /// <summary>The loop itself.</summary>
        /// <returns>A loop at its beginning.</returns>
        public readonly Blocks GetEnumerator() => this;

        /// <summary>Goes to the next block.</summary>
        /// <returns>False behind the last.</returns>
        public bool MoveNext()
        {
            if (_next >= length) return false;
            Current = (_next, (int)Math.Min(BlockLength, length - _next));
            _next += BlockLength;
            return true;
        }
    }
}
