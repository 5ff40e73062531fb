using System.Runtime.CompilerServices;

namespace FedCore.Training.Tensors;

/// <summary>
/// What a tile computes: C[r, :] = start + Σ_s Σ_k A[r, s, k] B[s, k, :], for a few rows r and one or two vectors of columns. With strides for A, one
/// kernel serves x W, xᵀ dy, W dyᵀ and convolutions: only the columns of B and C must lie side by side.
/// </summary>
internal unsafe struct TileWork
{
    /// <summary>A[0, 0, 0].</summary>
    public float* A;

    /// <summary>From A[r, s, k] to A[r + 1, s, k].</summary>
    public nint ARow;

    /// <summary>From A[r, s, k] to A[r, s, k + 1].</summary>
    public nint AStep;

    /// <summary>In A, from behind the last k of a segment to the first of the next.</summary>
    public nint ASegment;

    /// <summary>B[0, 0, 0].</summary>
    public float* B;

    /// <summary>From B[s, k] to B[s, k + 1].</summary>
    public nint BStep;

    /// <summary>In B, from behind the last k of a segment to the first of the next.</summary>
    public nint BSegment;

    /// <summary>C[0, 0].</summary>
    public float* C;

    /// <summary>From C[r] to C[r + 1].</summary>
    public nint CRow;

    /// <summary>Where a row of the tile is a pair of rows: in C, from the first one's columns to the second one's.</summary>
    public nint CPair;

    /// <summary>Number of k in a segment.</summary>
    public int Depth;

    /// <summary>Number of segments s.</summary>
    public int Segments;

    /// <summary>Columns of the last vector that are stored; 0 for all.</summary>
    public int Tail;

    /// <summary>
    /// Whether each row of C begins where the one before ends, and a row's vectors reach no farther than the next row's end: then every row but the
    /// last is stored whole, because the next one overwrites what went too far. Masked stores are slow.
    /// </summary>
    public bool RowsTouch;

    /// <summary>How many floats behind each row of C may be written over, because their turn is still to come and they are not read before; 0 where C is
    /// added to.</summary>
    public nint Slack;

    /// <summary>What the sums begin with when <see cref="Mode"/> is <see cref="TileMode.FromBias"/>: a number per column of B.</summary>
    public float* Bias;

    /// <summary>How the sums begin and end.</summary>
    public TileMode Mode;
}

/// <summary>How a tile's sums begin and end.</summary>
internal enum TileMode
{
    /// <summary>C = Σ.</summary>
    FromZero,

    /// <summary>C = bias + Σ.</summary>
    FromBias,

    /// <summary>C = C + Σ, the sum going on where C left off.</summary>
    FromC,

    /// <summary>C = C + Σ, the sum formed by itself: a step along a scaled gradient.</summary>
    AddToC,
}

/// <summary>
/// The micro-kernel of all matrix products and convolutions. Its accumulators live in registers: up to 14 rows x 2 vectors of AVX-512, 6 x 2 of AVX2.
/// Each output is one chain of fused multiply-adds in the order of k, so its bits do not depend on the vector width or the tile.
/// </summary>
/// <remarks>Rows and columns are type parameters, so that the compiler removes the rows that a tile has not.</remarks>
internal static unsafe class Tile<TVector, TLanes, TRows, TColumns>
    where TVector : struct
    where TLanes : struct, ILanes<TVector>
    where TRows : struct, IConstant
    where TColumns : struct, IConstant
{
    /// <summary>Computes one tile.</summary>
    /// <param name="work">Strides, depth, bias and mode.</param>
    /// <param name="a0">A[0, 0, 0] of the tile. What differs between neighbouring tiles is handed over in registers: they are too short to wait for memory.</param>
    /// <param name="b">B[0, 0, first column of the tile].</param>
    /// <param name="target">C[first row, first column of the tile].</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run(TileWork* work, float* a0, float* b, float* target)
    {
        nint row = work->ARow, row2 = 2 * row, step = work->AStep, bStep = work->BStep, pitch = work->CRow, pair = work->CPair;
        float* a3 = a0 + 3 * row, a6 = a0 + 6 * row, a9 = a0 + 9 * row, a12 = a0 + 12 * row;
        TVector c0 = TLanes.Zero, d0 = TLanes.Zero;
        TVector c1 = TLanes.Zero, d1 = TLanes.Zero;
        TVector c2 = TLanes.Zero, d2 = TLanes.Zero;
        TVector c3 = TLanes.Zero, d3 = TLanes.Zero;
        TVector c4 = TLanes.Zero, d4 = TLanes.Zero;
        TVector c5 = TLanes.Zero, d5 = TLanes.Zero;
        TVector c6 = TLanes.Zero, d6 = TLanes.Zero;
        TVector c7 = TLanes.Zero, d7 = TLanes.Zero;
        TVector c8 = TLanes.Zero, d8 = TLanes.Zero;
        TVector c9 = TLanes.Zero, d9 = TLanes.Zero;
        TVector c10 = TLanes.Zero, d10 = TLanes.Zero;
        TVector c11 = TLanes.Zero, d11 = TLanes.Zero;
        TVector c12 = TLanes.Zero, d12 = TLanes.Zero;
        TVector c13 = TLanes.Zero, d13 = TLanes.Zero;
        if (work->Mode == TileMode.FromBias)
        {
            float* bias = work->Bias + (b - work->B);
            TVector first = TLanes.Load(bias), second = Wide ? TLanes.Load(bias + TLanes.Count) : default;
            c0 = first; d0 = second;
            c1 = first; d1 = second;
            c2 = first; d2 = second;
            c3 = first; d3 = second;
            c4 = first; d4 = second;
            c5 = first; d5 = second;
            c6 = first; d6 = second;
            c7 = first; d7 = second;
            c8 = first; d8 = second;
            c9 = first; d9 = second;
            c10 = first; d10 = second;
            c11 = first; d11 = second;
            c12 = first; d12 = second;
            c13 = first; d13 = second;
        }
        else if (work->Mode == TileMode.FromC)
        {
            if (TRows.Value > 0) { c0 = TLanes.LoadRow(target + 0 * pitch, pair); if (Wide) d0 = TLanes.LoadRow(target + 0 * pitch + TLanes.Count, pair); }
            if (TRows.Value > 1) { c1 = TLanes.LoadRow(target + 1 * pitch, pair); if (Wide) d1 = TLanes.LoadRow(target + 1 * pitch + TLanes.Count, pair); }
            if (TRows.Value > 2) { c2 = TLanes.LoadRow(target + 2 * pitch, pair); if (Wide) d2 = TLanes.LoadRow(target + 2 * pitch + TLanes.Count, pair); }
            if (TRows.Value > 3) { c3 = TLanes.LoadRow(target + 3 * pitch, pair); if (Wide) d3 = TLanes.LoadRow(target + 3 * pitch + TLanes.Count, pair); }
            if (TRows.Value > 4) { c4 = TLanes.LoadRow(target + 4 * pitch, pair); if (Wide) d4 = TLanes.LoadRow(target + 4 * pitch + TLanes.Count, pair); }
            if (TRows.Value > 5) { c5 = TLanes.LoadRow(target + 5 * pitch, pair); if (Wide) d5 = TLanes.LoadRow(target + 5 * pitch + TLanes.Count, pair); }
            if (TRows.Value > 6) { c6 = TLanes.LoadRow(target + 6 * pitch, pair); if (Wide) d6 = TLanes.LoadRow(target + 6 * pitch + TLanes.Count, pair); }
            if (TRows.Value > 7) { c7 = TLanes.LoadRow(target + 7 * pitch, pair); if (Wide) d7 = TLanes.LoadRow(target + 7 * pitch + TLanes.Count, pair); }
            if (TRows.Value > 8) { c8 = TLanes.LoadRow(target + 8 * pitch, pair); if (Wide) d8 = TLanes.LoadRow(target + 8 * pitch + TLanes.Count, pair); }
            if (TRows.Value > 9) { c9 = TLanes.LoadRow(target + 9 * pitch, pair); if (Wide) d9 = TLanes.LoadRow(target + 9 * pitch + TLanes.Count, pair); }
            if (TRows.Value > 10) { c10 = TLanes.LoadRow(target + 10 * pitch, pair); if (Wide) d10 = TLanes.LoadRow(target + 10 * pitch + TLanes.Count, pair); }
            if (TRows.Value > 11) { c11 = TLanes.LoadRow(target + 11 * pitch, pair); if (Wide) d11 = TLanes.LoadRow(target + 11 * pitch + TLanes.Count, pair); }
            if (TRows.Value > 12) { c12 = TLanes.LoadRow(target + 12 * pitch, pair); if (Wide) d12 = TLanes.LoadRow(target + 12 * pitch + TLanes.Count, pair); }
            if (TRows.Value > 13) { c13 = TLanes.LoadRow(target + 13 * pitch, pair); if (Wide) d13 = TLanes.LoadRow(target + 13 * pitch + TLanes.Count, pair); }
        }

        for (int segment = work->Segments; segment > 0; segment--)
        {
            for (int k = work->Depth; k > 0; k--)
            {
                TVector b0 = TLanes.Load(b), b1 = Wide ? TLanes.Load(b + TLanes.Count) : default, x;
                if (TRows.Value > 0) { x = TLanes.Broadcast(a0); c0 = TLanes.MultiplyAdd(x, b0, c0); if (Wide) d0 = TLanes.MultiplyAdd(x, b1, d0); }
                if (TRows.Value > 1) { x = TLanes.Broadcast(a0 + row); c1 = TLanes.MultiplyAdd(x, b0, c1); if (Wide) d1 = TLanes.MultiplyAdd(x, b1, d1); }
                if (TRows.Value > 2) { x = TLanes.Broadcast(a0 + row2); c2 = TLanes.MultiplyAdd(x, b0, c2); if (Wide) d2 = TLanes.MultiplyAdd(x, b1, d2); }
                if (TRows.Value > 3) { x = TLanes.Broadcast(a3); c3 = TLanes.MultiplyAdd(x, b0, c3); if (Wide) d3 = TLanes.MultiplyAdd(x, b1, d3); }
                if (TRows.Value > 4) { x = TLanes.Broadcast(a3 + row); c4 = TLanes.MultiplyAdd(x, b0, c4); if (Wide) d4 = TLanes.MultiplyAdd(x, b1, d4); }
                if (TRows.Value > 5) { x = TLanes.Broadcast(a3 + row2); c5 = TLanes.MultiplyAdd(x, b0, c5); if (Wide) d5 = TLanes.MultiplyAdd(x, b1, d5); }
                if (TRows.Value > 6) { x = TLanes.Broadcast(a6); c6 = TLanes.MultiplyAdd(x, b0, c6); if (Wide) d6 = TLanes.MultiplyAdd(x, b1, d6); }
                if (TRows.Value > 7) { x = TLanes.Broadcast(a6 + row); c7 = TLanes.MultiplyAdd(x, b0, c7); if (Wide) d7 = TLanes.MultiplyAdd(x, b1, d7); }
                if (TRows.Value > 8) { x = TLanes.Broadcast(a6 + row2); c8 = TLanes.MultiplyAdd(x, b0, c8); if (Wide) d8 = TLanes.MultiplyAdd(x, b1, d8); }
                if (TRows.Value > 9) { x = TLanes.Broadcast(a9); c9 = TLanes.MultiplyAdd(x, b0, c9); if (Wide) d9 = TLanes.MultiplyAdd(x, b1, d9); }
                if (TRows.Value > 10) { x = TLanes.Broadcast(a9 + row); c10 = TLanes.MultiplyAdd(x, b0, c10); if (Wide) d10 = TLanes.MultiplyAdd(x, b1, d10); }
                if (TRows.Value > 11) { x = TLanes.Broadcast(a9 + row2); c11 = TLanes.MultiplyAdd(x, b0, c11); if (Wide) d11 = TLanes.MultiplyAdd(x, b1, d11); }
                if (TRows.Value > 12) { x = TLanes.Broadcast(a12); c12 = TLanes.MultiplyAdd(x, b0, c12); if (Wide) d12 = TLanes.MultiplyAdd(x, b1, d12); }
                if (TRows.Value > 13) { x = TLanes.Broadcast(a12 + row); c13 = TLanes.MultiplyAdd(x, b0, c13); if (Wide) d13 = TLanes.MultiplyAdd(x, b1, d13); }
                a0 += step;
                if (TRows.Value > 3) a3 += step;
                if (TRows.Value > 6) a6 += step;
                if (TRows.Value > 9) a9 += step;
                if (TRows.Value > 12) a12 += step;
                b += bStep;
            }

            nint gap = work->ASegment;
            a0 += gap;
            a3 += gap;
            a6 += gap;
            a9 += gap;
            a12 += gap;
            b += work->BSegment;
        }

        int tail = work->Tail;
        if (work->Mode == TileMode.AddToC)
        {
            // Stores by turns with loads take half the time of stores in a row.
            if (tail == 0)
            {
                if (TRows.Value > 0) { TLanes.AddToRow(target + 0 * pitch, pair, c0); if (Wide) TLanes.AddToRow(target + 0 * pitch + TLanes.Count, pair, d0); }
                if (TRows.Value > 1) { TLanes.AddToRow(target + 1 * pitch, pair, c1); if (Wide) TLanes.AddToRow(target + 1 * pitch + TLanes.Count, pair, d1); }
                if (TRows.Value > 2) { TLanes.AddToRow(target + 2 * pitch, pair, c2); if (Wide) TLanes.AddToRow(target + 2 * pitch + TLanes.Count, pair, d2); }
                if (TRows.Value > 3) { TLanes.AddToRow(target + 3 * pitch, pair, c3); if (Wide) TLanes.AddToRow(target + 3 * pitch + TLanes.Count, pair, d3); }
                if (TRows.Value > 4) { TLanes.AddToRow(target + 4 * pitch, pair, c4); if (Wide) TLanes.AddToRow(target + 4 * pitch + TLanes.Count, pair, d4); }
                if (TRows.Value > 5) { TLanes.AddToRow(target + 5 * pitch, pair, c5); if (Wide) TLanes.AddToRow(target + 5 * pitch + TLanes.Count, pair, d5); }
                if (TRows.Value > 6) { TLanes.AddToRow(target + 6 * pitch, pair, c6); if (Wide) TLanes.AddToRow(target + 6 * pitch + TLanes.Count, pair, d6); }
                if (TRows.Value > 7) { TLanes.AddToRow(target + 7 * pitch, pair, c7); if (Wide) TLanes.AddToRow(target + 7 * pitch + TLanes.Count, pair, d7); }
                if (TRows.Value > 8) { TLanes.AddToRow(target + 8 * pitch, pair, c8); if (Wide) TLanes.AddToRow(target + 8 * pitch + TLanes.Count, pair, d8); }
                if (TRows.Value > 9) { TLanes.AddToRow(target + 9 * pitch, pair, c9); if (Wide) TLanes.AddToRow(target + 9 * pitch + TLanes.Count, pair, d9); }
                if (TRows.Value > 10) { TLanes.AddToRow(target + 10 * pitch, pair, c10); if (Wide) TLanes.AddToRow(target + 10 * pitch + TLanes.Count, pair, d10); }
                if (TRows.Value > 11) { TLanes.AddToRow(target + 11 * pitch, pair, c11); if (Wide) TLanes.AddToRow(target + 11 * pitch + TLanes.Count, pair, d11); }
                if (TRows.Value > 12) { TLanes.AddToRow(target + 12 * pitch, pair, c12); if (Wide) TLanes.AddToRow(target + 12 * pitch + TLanes.Count, pair, d12); }
                if (TRows.Value > 13) { TLanes.AddToRow(target + 13 * pitch, pair, c13); if (Wide) TLanes.AddToRow(target + 13 * pitch + TLanes.Count, pair, d13); }
                return;
            }

            // A row's last vector reaches into the next row: all loads come before the first store, and a load behind a masked store would stall.
            if (TRows.Value > 0) { c0 = TLanes.Add(c0, TLanes.LoadRow(target + 0 * pitch, pair)); if (Wide) d0 = TLanes.Add(d0, TLanes.LoadRow(target + 0 * pitch + TLanes.Count, pair)); }
            if (TRows.Value > 1) { c1 = TLanes.Add(c1, TLanes.LoadRow(target + 1 * pitch, pair)); if (Wide) d1 = TLanes.Add(d1, TLanes.LoadRow(target + 1 * pitch + TLanes.Count, pair)); }
            if (TRows.Value > 2) { c2 = TLanes.Add(c2, TLanes.LoadRow(target + 2 * pitch, pair)); if (Wide) d2 = TLanes.Add(d2, TLanes.LoadRow(target + 2 * pitch + TLanes.Count, pair)); }
            if (TRows.Value > 3) { c3 = TLanes.Add(c3, TLanes.LoadRow(target + 3 * pitch, pair)); if (Wide) d3 = TLanes.Add(d3, TLanes.LoadRow(target + 3 * pitch + TLanes.Count, pair)); }
            if (TRows.Value > 4) { c4 = TLanes.Add(c4, TLanes.LoadRow(target + 4 * pitch, pair)); if (Wide) d4 = TLanes.Add(d4, TLanes.LoadRow(target + 4 * pitch + TLanes.Count, pair)); }
            if (TRows.Value > 5) { c5 = TLanes.Add(c5, TLanes.LoadRow(target + 5 * pitch, pair)); if (Wide) d5 = TLanes.Add(d5, TLanes.LoadRow(target + 5 * pitch + TLanes.Count, pair)); }
            if (TRows.Value > 6) { c6 = TLanes.Add(c6, TLanes.LoadRow(target + 6 * pitch, pair)); if (Wide) d6 = TLanes.Add(d6, TLanes.LoadRow(target + 6 * pitch + TLanes.Count, pair)); }
            if (TRows.Value > 7) { c7 = TLanes.Add(c7, TLanes.LoadRow(target + 7 * pitch, pair)); if (Wide) d7 = TLanes.Add(d7, TLanes.LoadRow(target + 7 * pitch + TLanes.Count, pair)); }
            if (TRows.Value > 8) { c8 = TLanes.Add(c8, TLanes.LoadRow(target + 8 * pitch, pair)); if (Wide) d8 = TLanes.Add(d8, TLanes.LoadRow(target + 8 * pitch + TLanes.Count, pair)); }
            if (TRows.Value > 9) { c9 = TLanes.Add(c9, TLanes.LoadRow(target + 9 * pitch, pair)); if (Wide) d9 = TLanes.Add(d9, TLanes.LoadRow(target + 9 * pitch + TLanes.Count, pair)); }
            if (TRows.Value > 10) { c10 = TLanes.Add(c10, TLanes.LoadRow(target + 10 * pitch, pair)); if (Wide) d10 = TLanes.Add(d10, TLanes.LoadRow(target + 10 * pitch + TLanes.Count, pair)); }
            if (TRows.Value > 11) { c11 = TLanes.Add(c11, TLanes.LoadRow(target + 11 * pitch, pair)); if (Wide) d11 = TLanes.Add(d11, TLanes.LoadRow(target + 11 * pitch + TLanes.Count, pair)); }
            if (TRows.Value > 12) { c12 = TLanes.Add(c12, TLanes.LoadRow(target + 12 * pitch, pair)); if (Wide) d12 = TLanes.Add(d12, TLanes.LoadRow(target + 12 * pitch + TLanes.Count, pair)); }
            if (TRows.Value > 13) { c13 = TLanes.Add(c13, TLanes.LoadRow(target + 13 * pitch, pair)); if (Wide) d13 = TLanes.Add(d13, TLanes.LoadRow(target + 13 * pitch + TLanes.Count, pair)); }
        }

        if (tail == 0 || work->RowsTouch)
        {
            if (TRows.Value > 1) StoreWhole(target, pair, c0, d0);
            if (TRows.Value == 1) StoreFirst(target, pair, c0, d0, tail);
            if (TRows.Value > 2) StoreWhole(target + 1 * pitch, pair, c1, d1);
            if (TRows.Value == 2) StoreFirst(target + 1 * pitch, pair, c1, d1, tail);
            if (TRows.Value > 3) StoreWhole(target + 2 * pitch, pair, c2, d2);
            if (TRows.Value == 3) StoreFirst(target + 2 * pitch, pair, c2, d2, tail);
            if (TRows.Value > 4) StoreWhole(target + 3 * pitch, pair, c3, d3);
            if (TRows.Value == 4) StoreFirst(target + 3 * pitch, pair, c3, d3, tail);
            if (TRows.Value > 5) StoreWhole(target + 4 * pitch, pair, c4, d4);
            if (TRows.Value == 5) StoreFirst(target + 4 * pitch, pair, c4, d4, tail);
            if (TRows.Value > 6) StoreWhole(target + 5 * pitch, pair, c5, d5);
            if (TRows.Value == 6) StoreFirst(target + 5 * pitch, pair, c5, d5, tail);
            if (TRows.Value > 7) StoreWhole(target + 6 * pitch, pair, c6, d6);
            if (TRows.Value == 7) StoreFirst(target + 6 * pitch, pair, c6, d6, tail);
            if (TRows.Value > 8) StoreWhole(target + 7 * pitch, pair, c7, d7);
            if (TRows.Value == 8) StoreFirst(target + 7 * pitch, pair, c7, d7, tail);
            if (TRows.Value > 9) StoreWhole(target + 8 * pitch, pair, c8, d8);
            if (TRows.Value == 9) StoreFirst(target + 8 * pitch, pair, c8, d8, tail);
            if (TRows.Value > 10) StoreWhole(target + 9 * pitch, pair, c9, d9);
            if (TRows.Value == 10) StoreFirst(target + 9 * pitch, pair, c9, d9, tail);
            if (TRows.Value > 11) StoreWhole(target + 10 * pitch, pair, c10, d10);
            if (TRows.Value == 11) StoreFirst(target + 10 * pitch, pair, c10, d10, tail);
            if (TRows.Value > 12) StoreWhole(target + 11 * pitch, pair, c11, d11);
            if (TRows.Value == 12) StoreFirst(target + 11 * pitch, pair, c11, d11, tail);
            if (TRows.Value > 13) StoreWhole(target + 12 * pitch, pair, c12, d12);
            if (TRows.Value == 13) StoreFirst(target + 12 * pitch, pair, c12, d12, tail);
            if (TRows.Value == 14) StoreFirst(target + 13 * pitch, pair, c13, d13, tail);
        }
        else
        {
            if (TRows.Value > 0) StoreFirst(target, pair, c0, d0, tail);
            if (TRows.Value > 1) StoreFirst(target + 1 * pitch, pair, c1, d1, tail);
            if (TRows.Value > 2) StoreFirst(target + 2 * pitch, pair, c2, d2, tail);
            if (TRows.Value > 3) StoreFirst(target + 3 * pitch, pair, c3, d3, tail);
            if (TRows.Value > 4) StoreFirst(target + 4 * pitch, pair, c4, d4, tail);
            if (TRows.Value > 5) StoreFirst(target + 5 * pitch, pair, c5, d5, tail);
            if (TRows.Value > 6) StoreFirst(target + 6 * pitch, pair, c6, d6, tail);
            if (TRows.Value > 7) StoreFirst(target + 7 * pitch, pair, c7, d7, tail);
            if (TRows.Value > 8) StoreFirst(target + 8 * pitch, pair, c8, d8, tail);
            if (TRows.Value > 9) StoreFirst(target + 9 * pitch, pair, c9, d9, tail);
            if (TRows.Value > 10) StoreFirst(target + 10 * pitch, pair, c10, d10, tail);
            if (TRows.Value > 11) StoreFirst(target + 11 * pitch, pair, c11, d11, tail);
            if (TRows.Value > 12) StoreFirst(target + 12 * pitch, pair, c12, d12, tail);
            if (TRows.Value > 13) StoreFirst(target + 13 * pitch, pair, c13, d13, tail);
        }
    }

    private static bool Wide
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => TColumns.Value > 1;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreWhole(float* target, nint pair, TVector first, TVector second)
    {
        TLanes.StoreRow(target, pair, first);
        if (Wide) TLanes.StoreRow(target + TLanes.Count, pair, second);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreFirst(float* target, nint pair, TVector first, TVector second, int tail)
    {
        if (tail == 0)
        {
            StoreWhole(target, pair, first, second);
        }
        else if (Wide)
        {
            TLanes.StoreRow(target, pair, first);
            TLanes.StoreFirst(target + TLanes.Count, second, tail);
        }
        else
        {
            TLanes.StoreFirst(target, first, tail);
        }
    }
}
