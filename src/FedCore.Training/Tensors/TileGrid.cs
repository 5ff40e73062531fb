using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace FedCore.Training.Tensors;

/// <summary>Covers a product of any size with tiles.</summary>
internal static unsafe class TileGrid
{
    /// <summary>Floats per vector on this machine.</summary>
    public static int VectorLength => Vector512.IsHardwareAccelerated ? 16 : Vector256.IsHardwareAccelerated ? 8 : 4;

    /// <summary>Columns of the widest tile.</summary>
    public static int TileColumns => 2 * VectorLength;

    /// <summary>Rows of the tallest tile.</summary>
    public static int TileRows => Vector512.IsHardwareAccelerated ? Lanes512.MaxRows : Vector256.IsHardwareAccelerated ? Lanes256.MaxRows : Lanes128.MaxRows;

    /// <summary>Computes C of any number of rows and columns. A, B and C of the work are those of row 0 and column 0.</summary>
    /// <param name="work">Operands, strides and mode; the columns' tail is set here.</param>
    /// <param name="rows">Rows of C, at least 1.</param>
    /// <param name="columns">Columns of C, at least 1.</param>
    public static void Run(TileWork work, int rows, int columns)
    {
        if (Vector512.IsHardwareAccelerated) Run<Vector512<float>, Lanes512, PairedLanes512>(&work, rows, columns);
        else if (Vector256.IsHardwareAccelerated) Run<Vector256<float>, Lanes256, PairedLanes256>(&work, rows, columns);
        else Run<Vector128<float>, Lanes128, PairedLanes128>(&work, rows, columns);
    }

    /// <summary>The same with vectors of a given width.</summary>
    internal static void Run<TVector, TLanes, TPairs>(TileWork* work, int rows, int columns)
        where TVector : struct
        where TLanes : struct, ILanes<TVector>
        where TPairs : struct, ILanes<TVector>
    {
        if (work->ARow == 1 && columns % TLanes.Count == TPairs.Count && rows > 1) InPairs<TVector, TLanes, TPairs>(*work, rows, columns);
        else Grid<TVector, TLanes>.Run(work, rows, columns);
    }

    // Where half a vector's columns are left over, the halves of two neighbouring rows share a vector, if the numbers of A for them lie side by side. Rows of
    // C that touch begin on a vector's boundary and in the middle of one by turns: which half is left over is chosen so that all others are aligned.
    private static void InPairs<TVector, TLanes, TPairs>(in TileWork all, int rows, int columns)
        where TVector : struct
        where TLanes : struct, ILanes<TVector>
        where TPairs : struct, ILanes<TVector>
    {
        int pairs = rows / 2, half = TPairs.Count, whole = columns - half;
        bool isAligned = (nuint)all.C % (nuint)(TLanes.Count * sizeof(float)) == 0;
        TileWork every = all;
        every.ARow *= 2;
        every.CRow *= 2;
        if (whole > 0)
        {
            for (int row = 0; row < 2; row++)
            {
                TileWork work = every;
                work.A += row;
                work.C += row * all.CRow;
                if ((row == 1) == isAligned) Skip(ref work, half);
                Grid<TVector, TLanes>.Run(&work, pairs, whole);
            }
        }

        int first = isAligned ? whole : 0, second = whole - first;
        Skip(ref every, first);
        every.CPair = second - first + all.CRow;
        Interleave<TVector, TLanes, TPairs>(ref every, second - first);
        Grid<TVector, TPairs>.Run(&every, pairs, half);
        if (2 * pairs == rows) return;
        TileWork last = all;
        last.A += 2 * pairs;
        last.C += 2 * pairs * all.CRow;
        Grid<TVector, TLanes>.Run(&last, 1, columns);
    }

    // Copies B and the bias with the columns for a pair's first row and those for its second by turns.
    private static void Interleave<TVector, TLanes, TPairs>(ref TileWork work, nint pair)
        where TVector : struct
        where TLanes : struct, ILanes<TVector>
        where TPairs : struct, ILanes<TVector>
    {
        float* target = Scratch.Operand((1 + work.Segments * work.Depth) * TLanes.Count), b = work.B;
        if (work.Mode == TileMode.FromBias) TLanes.StoreRow(target, 0, TPairs.LoadRow(work.Bias, pair));
        work.Bias = target;
        work.B = target += TLanes.Count;
        for (int segment = 0; segment < work.Segments; segment++, b += work.BSegment)
            for (int k = 0; k < work.Depth; k++, b += work.BStep, target += TLanes.Count) TLanes.StoreRow(target, 0, TPairs.LoadRow(b, pair));
        work.BStep = TLanes.Count;
        work.BSegment = 0;
    }

    private static void Skip(ref TileWork work, int columns)
    {
        work.B += columns;
        work.C += columns;
        work.Bias += columns;
    }

    private static class Grid<TVector, TLanes>
        where TVector : struct
        where TLanes : struct, ILanes<TVector>
    {
        // One copy for all callers, whatever the profile of the process says.
        [MethodImpl(MethodImplOptions.NoInlining)]
        public static void Run(TileWork* work, int rows, int columns)
        {
            // Tiles of nearly equal height: 32 rows are 11 + 11 + 10, not 14 + 14 + 4.
            int bands = (rows + TLanes.MaxRows - 1) / TLanes.MaxRows, height = rows / bands, taller = rows - bands * height;
            int width = columns > TLanes.Count ? 2 * TLanes.Count : TLanes.Count;
            work->RowsTouch = work->CRow == columns && columns <= width && width <= 2 * columns;
            if (taller > 0) Bands(work, 0, height + 1, taller, columns);
            Bands(work, taller * (height + 1), height, bands - taller, columns);
        }

        private static void Bands(TileWork* work, int row, int height, int bands, int columns)
        {
            float* a = work->A + row * work->ARow, c = work->C + row * work->CRow;
            switch (height)
            {
                case 1: Bands<Constant1>(work, a, c, bands, columns); break;
                case 2: Bands<Constant2>(work, a, c, bands, columns); break;
                case 3: Bands<Constant3>(work, a, c, bands, columns); break;
                case 4: Bands<Constant4>(work, a, c, bands, columns); break;
                case 5: Bands<Constant5>(work, a, c, bands, columns); break;
                case 6: Bands<Constant6>(work, a, c, bands, columns); break;
                case 7: Bands<Constant7>(work, a, c, bands, columns); break;
                case 8: Bands<Constant8>(work, a, c, bands, columns); break;
                case 9: Bands<Constant9>(work, a, c, bands, columns); break;
                case 10: Bands<Constant10>(work, a, c, bands, columns); break;
                case 11: Bands<Constant11>(work, a, c, bands, columns); break;
                case 12: Bands<Constant12>(work, a, c, bands, columns); break;
                case 13: Bands<Constant13>(work, a, c, bands, columns); break;
                case 14: Bands<Constant14>(work, a, c, bands, columns); break;
                default: throw new ArgumentOutOfRangeException(nameof(height));
            }
        }

        // Bands of equal height. A tile is so short that a wrong guess at the end of each band would be felt: one loop goes over all tiles of full width,
        // and the pointers move on to the next band without a branch.
        [MethodImpl(MethodImplOptions.NoInlining)]
        private static void Bands<TRows>(TileWork* work, float* a, float* c, int bands, int columns)
            where TRows : struct, IConstant
        {
            int width = 2 * TLanes.Count, rest = columns % width, whole = columns - rest;
            nint aBand = TRows.Value * work->ARow, cBand = TRows.Value * work->CRow;
            float* b = work->B, end = b + whole, aRest = a, cRest = c + whole;
            work->Tail = 0;
            for (int tiles = bands * (whole / width); tiles > 0; tiles--)
            {
                Tile<TVector, TLanes, TRows, Constant2>.Run(work, a, b, c);
                b += width;
                c += width;
                nint isLast = (nint)(end - b - 1) >> 63;
                a += isLast & aBand;
                b -= isLast & whole;
                c += isLast & (cBand - whole);
            }

            if (rest == 0) return;
            int tail = rest % TLanes.Count;
            if (work->Slack < TLanes.Count - tail) work->Tail = tail;
            for (; bands > 0; bands--)
            {
                if (rest > TLanes.Count) Tile<TVector, TLanes, TRows, Constant2>.Run(work, aRest, end, cRest);
                else Tile<TVector, TLanes, TRows, Constant1>.Run(work, aRest, end, cRest);
                aRest += aBand;
                cRest += cBand;
            }
        }
    }
}
