using System.Diagnostics;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace FedCore.Training.Tensors;

/// <summary>
/// Products whose A holds many zeros, as ReLU and the background of images leave them: the numbers that are not zero are found first, and only they are
/// multiplied. The result is that of <see cref="TileGrid"/>, but for the sign of zeros, and for zeros that meet what is infinite or not a number in B.
/// </summary>
/// <remarks>All of it is compiled at once: a short run would not live to see it optimised.</remarks>
internal static unsafe class SparseProduct
{
    /// <summary>The greatest depth where C is added to, and the best one otherwise: a row's places are bits of a number.</summary>
    public const int MaxDepth = 64;

    // For each multiplication a vector of B comes from the first-level cache, of which so much is used.
    private const int CachedBytes = 32 * 1024;

    // With fewer vectors of columns the multiplications would wait for each other: four cycles each, and two begin in every cycle.
    private const int MinColumnVectors = 8;

    // How many vectors of columns are worked on at once.
    private const int MinStripVectors = 4, MaxStripVectors = 14;

    // A row of B that is not aligned is worth copying where it is used so many times; less often where rows lie so far apart that they compete for the same
    // places of the cache.
    private const int PackUses = 6, CompetingUses = 3, CompetingStep = 256;

    // How much of A is looked at to learn how many zeros it holds.
    private const int SampleRows = 4, SampleVectors = 4;

    /// <summary>Whether A, judged by a sample, holds so many zeros that this is faster than <see cref="TileGrid"/>.</summary>
    /// <param name="work">Operands, strides and mode; A's rows or its columns lie side by side.</param>
    /// <param name="rows">Rows of C.</param>
    /// <param name="columns">Columns of C.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static bool Suits(in TileWork work, int rows, int columns)
    {
        if (columns < MinColumnVectors * TileGrid.VectorLength || (work.Mode == TileMode.AddToC && work.Depth > MaxDepth)) return false;
        bool inRows = work.AStep == 1;
        (int lines, int length, nint pitch) = inRows ? (rows, work.Depth, work.ARow) : (work.Depth, rows, work.AStep);
        int vectors = length / Vector512<float>.Count, step = Math.Max(1, vectors / SampleVectors), lineStep = Math.Max(1, lines / SampleRows);
        int zeros = 0, seen = 0;
        for (int line = 0; line < lines; line += lineStep)
        {
            float* values = work.A + line * pitch;
            for (int vector = step / 2; vector < vectors; vector += step, seen++) zeros += BitOperations.PopCount(Zeros(values + vector * Vector512<float>.Count));
        }

        return seen > 0 && zeros >= (1 - WorthwhileShare(inRows, lines)) * seen * Vector512<float>.Count;
    }

    // The share of numbers that are not zero below which this is faster, as measured on a Zen 5, with AVX-512 and AVX2, with weights of 200 x 200 and
    // 3,136 x 512 and batches of 10 and 32. With AVX-512 two loads of vectors per cycle are the limit, and the work that is not multiplying weighs more in
    // small batches; narrower vectors leave more loads per multiplication.
    private static double WorthwhileShare(bool inRows, int batch) =>
        TileGrid.VectorLength < 16 ? 0.7 : (inRows ? 0.5 : 0.65) - (batch < 16 ? 0.15 : 0);

    /// <summary>Computes C of any number of rows and columns. A, B and C of the work are those of row 0 and column 0.</summary>
    /// <param name="work">Operands, strides and mode, in one segment; where C is added to, the depth is at most 64.</param>
    /// <param name="rows">Rows of C, at least 1.</param>
    /// <param name="columns">Columns of C, at least 1.</param>
    public static void Run(in TileWork work, int rows, int columns)
    {
        if (Vector512.IsHardwareAccelerated) Run<Vector512<float>, Lanes512>(work, rows, columns);
        else if (Vector256.IsHardwareAccelerated) Run<Vector256<float>, Lanes256>(work, rows, columns);
        else Run<Vector128<float>, Lanes128>(work, rows, columns);
    }

    /// <summary>The same with vectors of a given width.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Run<TVector, TLanes>(in TileWork all, int rows, int columns)
        where TVector : struct
        where TLanes : struct, ILanes<TVector>
    {
        Debug.Assert(all.Segments == 1 && (all.Mode != TileMode.AddToC || all.Depth <= MaxDepth), "Such sums cannot be formed by themselves.");

        // Nearly equal parts of the depth, and of the columns, so that a part of B stays in the cache while all rows of C meet it.
        int blocks = Parts(all.Depth, MaxDepth), block = Parts(all.Depth, blocks), vectors = Parts(columns, TLanes.Count);
        int strips = Parts(vectors, Math.Clamp(CachedBytes / (block * TLanes.Count * sizeof(float)), MinStripVectors, MaxStripVectors));

        int masks = 16 * Parts(rows, 16);
        float* memory = Scratch.Operand(2L * masks + block * Parts(vectors, strips) * TLanes.Count);
        var active = (ulong*)memory;
        float* packed = memory + 2 * masks;
        bool isAligned = (nuint)all.B % (nuint)(TLanes.Count * sizeof(float)) == 0 && all.BStep % TLanes.Count == 0;
        int packUses = all.BStep % CompetingStep == 0 ? CompetingUses : isAligned ? int.MaxValue : PackUses;
        for (int k = 0; blocks > 0; k += block, blocks--)
        {
            block = Parts(all.Depth - k, blocks);
            TileWork work = all;
            work.Depth = block;
            work.A += k * all.AStep;
            work.B += k * all.BStep;
            if (k > 0) work.Mode = TileMode.FromC;
            if (all.AStep == 1) ActiveInRows(work, rows, active);
            else ActiveInColumns(work, rows, active);
            ulong used = packUses == int.MaxValue ? 0 : OftenUsed(active, rows, packUses);
            for (int left = strips, vector = 0; left > 0; left--)
            {
                int width = Parts(vectors - vector, left), column = vector * TLanes.Count;
                vector += width;
                TileWork strip = work;
                strip.B += column;
                strip.C += column;
                strip.Bias += column;
                strip.Tail = vector == vectors ? columns % TLanes.Count : 0;
                if (used != 0) Pack<TVector, TLanes>(ref strip, used, width, packed);
                Tiles<TVector, TLanes>(&strip, active, rows, width);
            }
        }
    }

    // How many parts of a size a whole has; or, of so many equal parts, the size.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Parts(int whole, int size) => (whole + size - 1) / size;

    // Bit k: row k of B is used; nothing when the rows are used too rarely for copies to pay.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static ulong OftenUsed(ulong* active, int rows, int least)
    {
        ulong used = 0;
        int uses = 0;
        for (int row = 0; row < rows; row++)
        {
            used |= active[row];
            uses += BitOperations.PopCount(active[row]);
        }

        return uses >= least * BitOperations.PopCount(used) ? used : 0;
    }

    // Copies some vectors of the rows of B that are used, so that none lies in two lines of the cache.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Pack<TVector, TLanes>(ref TileWork work, ulong used, int vectors, float* target)
        where TVector : struct
        where TLanes : struct, ILanes<TVector>
    {
        int width = vectors * TLanes.Count;
        for (; used != 0; used &= used - 1)
        {
            int k = BitOperations.TrailingZeroCount(used);
            float* from = work.B + k * work.BStep, to = target + k * width;
            for (float* end = to + width; to < end; to += TLanes.Count, from += TLanes.Count) TLanes.StoreRow(to, 0, TLanes.Load(from));
        }

        work.B = target;
        work.BStep = width;
    }

    // Bit k of a row: A[r, k] is not zero, where a row's numbers lie side by side.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void ActiveInRows(in TileWork work, int rows, ulong* active)
    {
        ulong all = ulong.MaxValue >> (MaxDepth - work.Depth);
        float* a = work.A;
        for (int row = 0; row < rows; row++, a += work.ARow)
        {
            ulong zeros = 0;
            for (int k = 0; k < work.Depth; k += Vector512<float>.Count) zeros |= Zeros(a + k) << k;
            active[row] = all & ~zeros;
        }
    }

    // The same where a column's numbers lie side by side: 16 rows at a time, first the lower and then the upper halves of their bits.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void ActiveInColumns(in TileWork work, int rows, ulong* active)
    {
        for (int row = 0; row < rows; row += Vector512<float>.Count)
        {
            float* a = work.A + row;
            Vector512<uint> lower = ActiveBits(a, work.AStep, Math.Min(work.Depth, 32));
            Vector512<uint> upper = ActiveBits(a + 32 * work.AStep, work.AStep, work.Depth - 32);
            (Vector512<ulong> low0, Vector512<ulong> low1) = Vector512.Widen(lower);
            (Vector512<ulong> high0, Vector512<ulong> high1) = Vector512.Widen(upper);
            (low0 | (high0 << 32)).Store(active + row);
            (low1 | (high1 << 32)).Store(active + row + Vector512<ulong>.Count);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<uint> ActiveBits(float* a, nint step, int depth)
    {
        Vector512<uint> bits = Vector512<uint>.Zero, bit = Vector512<uint>.One;
        for (int k = 0; k < depth; k++, a += step, bit <<= 1)
            bits |= Vector512.AndNot(bit, Vector512.Equals(Vector512.Load(a), Vector512<float>.Zero).AsUInt32());
        return bits;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Zeros(float* values) => Vector512.Equals(Vector512.Load(values), Vector512<float>.Zero).ExtractMostSignificantBits();

    private static void Tiles<TVector, TLanes>(TileWork* work, ulong* active, int rows, int vectors)
        where TVector : struct
        where TLanes : struct, ILanes<TVector>
    {
        switch (vectors)
        {
            case 1: SparseTile<TVector, TLanes, Constant1>.Run(work, active, rows); break;
            case 2: SparseTile<TVector, TLanes, Constant2>.Run(work, active, rows); break;
            case 3: SparseTile<TVector, TLanes, Constant3>.Run(work, active, rows); break;
            case 4: SparseTile<TVector, TLanes, Constant4>.Run(work, active, rows); break;
            case 5: SparseTile<TVector, TLanes, Constant5>.Run(work, active, rows); break;
            case 6: SparseTile<TVector, TLanes, Constant6>.Run(work, active, rows); break;
            case 7: SparseTile<TVector, TLanes, Constant7>.Run(work, active, rows); break;
            case 8: SparseTile<TVector, TLanes, Constant8>.Run(work, active, rows); break;
            case 9: SparseTile<TVector, TLanes, Constant9>.Run(work, active, rows); break;
            case 10: SparseTile<TVector, TLanes, Constant10>.Run(work, active, rows); break;
            case 11: SparseTile<TVector, TLanes, Constant11>.Run(work, active, rows); break;
            case 12: SparseTile<TVector, TLanes, Constant12>.Run(work, active, rows); break;
            case 13: SparseTile<TVector, TLanes, Constant13>.Run(work, active, rows); break;
            case 14: SparseTile<TVector, TLanes, Constant14>.Run(work, active, rows); break;
            default: throw new ArgumentOutOfRangeException(nameof(vectors));
        }
    }
}
