using System.Numerics;
using System.Runtime.CompilerServices;

namespace FedCore.Training.Tensors;

/// <summary>
/// The micro-kernel of products whose A holds many zeros: C[r, :] = start + Σ over the k with A[r, k] ≠ 0 of A[r, k] B[k, :], row by row, with up to 14
/// vectors of columns in registers. Each output is the same chain of fused multiply-adds as in a <see cref="Tile{TVector, TLanes, TRows, TColumns}"/>,
/// without the terms that would not change it.
/// </summary>
/// <remarks>A vector of B is loaded for each multiplication, so B should lie in a first-level cache, aligned; then up to three quarters of the machine's
/// multiplications per cycle remain, and there are fewer to do.</remarks>
internal static unsafe class SparseTile<TVector, TLanes, TColumns>
    where TVector : struct
    where TLanes : struct, ILanes<TVector>
    where TColumns : struct, IConstant
{
    /// <summary>Computes rows of C.</summary>
    /// <param name="work">Operands of the first row, strides, tail, bias and mode; the depth is at most 64 and there is one segment.</param>
    /// <param name="active">Per row of C, bit k says that A[r, k] is not zero.</param>
    /// <param name="rows">Rows of C.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run(TileWork* work, ulong* active, int rows)
    {
        nint aRow = work->ARow, aStep = work->AStep, bStep = work->BStep, cRow = work->CRow;
        float* a = work->A, b = work->B, c = work->C;
        int tail = work->Tail;
        TileMode mode = work->Mode;
        bool goesOn = mode is TileMode.FromC or TileMode.AddToC;
        for (ulong* end = active + rows; active < end; active++, a += aRow, c += cRow)
        {
            if (*active == 0 && goesOn) continue;
            TVector c0 = TLanes.Zero;
            TVector c1 = TLanes.Zero;
            TVector c2 = TLanes.Zero;
            TVector c3 = TLanes.Zero;
            TVector c4 = TLanes.Zero;
            TVector c5 = TLanes.Zero;
            TVector c6 = TLanes.Zero;
            TVector c7 = TLanes.Zero;
            TVector c8 = TLanes.Zero;
            TVector c9 = TLanes.Zero;
            TVector c10 = TLanes.Zero;
            TVector c11 = TLanes.Zero;
            TVector c12 = TLanes.Zero;
            TVector c13 = TLanes.Zero;
            if (mode == TileMode.FromBias)
            {
                float* bias = work->Bias;
                if (TColumns.Value > 0) c0 = TLanes.Load(bias);
                if (TColumns.Value > 1) c1 = TLanes.Load(bias + TLanes.Count);
                if (TColumns.Value > 2) c2 = TLanes.Load(bias + 2 * TLanes.Count);
                if (TColumns.Value > 3) c3 = TLanes.Load(bias + 3 * TLanes.Count);
                if (TColumns.Value > 4) c4 = TLanes.Load(bias + 4 * TLanes.Count);
                if (TColumns.Value > 5) c5 = TLanes.Load(bias + 5 * TLanes.Count);
                if (TColumns.Value > 6) c6 = TLanes.Load(bias + 6 * TLanes.Count);
                if (TColumns.Value > 7) c7 = TLanes.Load(bias + 7 * TLanes.Count);
                if (TColumns.Value > 8) c8 = TLanes.Load(bias + 8 * TLanes.Count);
                if (TColumns.Value > 9) c9 = TLanes.Load(bias + 9 * TLanes.Count);
                if (TColumns.Value > 10) c10 = TLanes.Load(bias + 10 * TLanes.Count);
                if (TColumns.Value > 11) c11 = TLanes.Load(bias + 11 * TLanes.Count);
                if (TColumns.Value > 12) c12 = TLanes.Load(bias + 12 * TLanes.Count);
                if (TColumns.Value > 13) c13 = TLanes.Load(bias + 13 * TLanes.Count);
            }
            else if (mode == TileMode.FromC)
            {
                if (TColumns.Value > 0) c0 = TLanes.Load(c);
                if (TColumns.Value > 1) c1 = TLanes.Load(c + TLanes.Count);
                if (TColumns.Value > 2) c2 = TLanes.Load(c + 2 * TLanes.Count);
                if (TColumns.Value > 3) c3 = TLanes.Load(c + 3 * TLanes.Count);
                if (TColumns.Value > 4) c4 = TLanes.Load(c + 4 * TLanes.Count);
                if (TColumns.Value > 5) c5 = TLanes.Load(c + 5 * TLanes.Count);
                if (TColumns.Value > 6) c6 = TLanes.Load(c + 6 * TLanes.Count);
                if (TColumns.Value > 7) c7 = TLanes.Load(c + 7 * TLanes.Count);
                if (TColumns.Value > 8) c8 = TLanes.Load(c + 8 * TLanes.Count);
                if (TColumns.Value > 9) c9 = TLanes.Load(c + 9 * TLanes.Count);
                if (TColumns.Value > 10) c10 = TLanes.Load(c + 10 * TLanes.Count);
                if (TColumns.Value > 11) c11 = TLanes.Load(c + 11 * TLanes.Count);
                if (TColumns.Value > 12) c12 = TLanes.Load(c + 12 * TLanes.Count);
                if (TColumns.Value > 13) c13 = TLanes.Load(c + 13 * TLanes.Count);
            }

            // The bits are found far ahead of the multiplications, so a wrong guess at the last one costs nothing.
            for (ulong bits = *active; bits != 0; bits &= bits - 1)
            {
                nint k = BitOperations.TrailingZeroCount(bits);
                TVector x = TLanes.Broadcast(a + k * aStep);
                float* row = b + k * bStep;
                if (TColumns.Value > 0) c0 = TLanes.MultiplyAdd(x, TLanes.Load(row), c0);
                if (TColumns.Value > 1) c1 = TLanes.MultiplyAdd(x, TLanes.Load(row + TLanes.Count), c1);
                if (TColumns.Value > 2) c2 = TLanes.MultiplyAdd(x, TLanes.Load(row + 2 * TLanes.Count), c2);
                if (TColumns.Value > 3) c3 = TLanes.MultiplyAdd(x, TLanes.Load(row + 3 * TLanes.Count), c3);
                if (TColumns.Value > 4) c4 = TLanes.MultiplyAdd(x, TLanes.Load(row + 4 * TLanes.Count), c4);
                if (TColumns.Value > 5) c5 = TLanes.MultiplyAdd(x, TLanes.Load(row + 5 * TLanes.Count), c5);
                if (TColumns.Value > 6) c6 = TLanes.MultiplyAdd(x, TLanes.Load(row + 6 * TLanes.Count), c6);
                if (TColumns.Value > 7) c7 = TLanes.MultiplyAdd(x, TLanes.Load(row + 7 * TLanes.Count), c7);
                if (TColumns.Value > 8) c8 = TLanes.MultiplyAdd(x, TLanes.Load(row + 8 * TLanes.Count), c8);
                if (TColumns.Value > 9) c9 = TLanes.MultiplyAdd(x, TLanes.Load(row + 9 * TLanes.Count), c9);
                if (TColumns.Value > 10) c10 = TLanes.MultiplyAdd(x, TLanes.Load(row + 10 * TLanes.Count), c10);
                if (TColumns.Value > 11) c11 = TLanes.MultiplyAdd(x, TLanes.Load(row + 11 * TLanes.Count), c11);
                if (TColumns.Value > 12) c12 = TLanes.MultiplyAdd(x, TLanes.Load(row + 12 * TLanes.Count), c12);
                if (TColumns.Value > 13) c13 = TLanes.MultiplyAdd(x, TLanes.Load(row + 13 * TLanes.Count), c13);
            }

            if (mode == TileMode.AddToC)
            {
                if (TColumns.Value > 1) TLanes.AddToRow(c, 0, c0);
                if (TColumns.Value > 2) TLanes.AddToRow(c + TLanes.Count, 0, c1);
                if (TColumns.Value > 3) TLanes.AddToRow(c + 2 * TLanes.Count, 0, c2);
                if (TColumns.Value > 4) TLanes.AddToRow(c + 3 * TLanes.Count, 0, c3);
                if (TColumns.Value > 5) TLanes.AddToRow(c + 4 * TLanes.Count, 0, c4);
                if (TColumns.Value > 6) TLanes.AddToRow(c + 5 * TLanes.Count, 0, c5);
                if (TColumns.Value > 7) TLanes.AddToRow(c + 6 * TLanes.Count, 0, c6);
                if (TColumns.Value > 8) TLanes.AddToRow(c + 7 * TLanes.Count, 0, c7);
                if (TColumns.Value > 9) TLanes.AddToRow(c + 8 * TLanes.Count, 0, c8);
                if (TColumns.Value > 10) TLanes.AddToRow(c + 9 * TLanes.Count, 0, c9);
                if (TColumns.Value > 11) TLanes.AddToRow(c + 10 * TLanes.Count, 0, c10);
                if (TColumns.Value > 12) TLanes.AddToRow(c + 11 * TLanes.Count, 0, c11);
                if (TColumns.Value > 13) TLanes.AddToRow(c + 12 * TLanes.Count, 0, c12);
                if (TColumns.Value == 1) StoreLast(c, TLanes.Add(c0, TLanes.Load(c)), tail);
                if (TColumns.Value == 2) StoreLast(c + TLanes.Count, TLanes.Add(c1, TLanes.Load(c + TLanes.Count)), tail);
                if (TColumns.Value == 3) StoreLast(c + 2 * TLanes.Count, TLanes.Add(c2, TLanes.Load(c + 2 * TLanes.Count)), tail);
                if (TColumns.Value == 4) StoreLast(c + 3 * TLanes.Count, TLanes.Add(c3, TLanes.Load(c + 3 * TLanes.Count)), tail);
                if (TColumns.Value == 5) StoreLast(c + 4 * TLanes.Count, TLanes.Add(c4, TLanes.Load(c + 4 * TLanes.Count)), tail);
                if (TColumns.Value == 6) StoreLast(c + 5 * TLanes.Count, TLanes.Add(c5, TLanes.Load(c + 5 * TLanes.Count)), tail);
                if (TColumns.Value == 7) StoreLast(c + 6 * TLanes.Count, TLanes.Add(c6, TLanes.Load(c + 6 * TLanes.Count)), tail);
                if (TColumns.Value == 8) StoreLast(c + 7 * TLanes.Count, TLanes.Add(c7, TLanes.Load(c + 7 * TLanes.Count)), tail);
                if (TColumns.Value == 9) StoreLast(c + 8 * TLanes.Count, TLanes.Add(c8, TLanes.Load(c + 8 * TLanes.Count)), tail);
                if (TColumns.Value == 10) StoreLast(c + 9 * TLanes.Count, TLanes.Add(c9, TLanes.Load(c + 9 * TLanes.Count)), tail);
                if (TColumns.Value == 11) StoreLast(c + 10 * TLanes.Count, TLanes.Add(c10, TLanes.Load(c + 10 * TLanes.Count)), tail);
                if (TColumns.Value == 12) StoreLast(c + 11 * TLanes.Count, TLanes.Add(c11, TLanes.Load(c + 11 * TLanes.Count)), tail);
                if (TColumns.Value == 13) StoreLast(c + 12 * TLanes.Count, TLanes.Add(c12, TLanes.Load(c + 12 * TLanes.Count)), tail);
                if (TColumns.Value == 14) StoreLast(c + 13 * TLanes.Count, TLanes.Add(c13, TLanes.Load(c + 13 * TLanes.Count)), tail);
            }
            else
            {
                if (TColumns.Value > 1) TLanes.StoreRow(c, 0, c0);
                if (TColumns.Value > 2) TLanes.StoreRow(c + TLanes.Count, 0, c1);
                if (TColumns.Value > 3) TLanes.StoreRow(c + 2 * TLanes.Count, 0, c2);
                if (TColumns.Value > 4) TLanes.StoreRow(c + 3 * TLanes.Count, 0, c3);
                if (TColumns.Value > 5) TLanes.StoreRow(c + 4 * TLanes.Count, 0, c4);
                if (TColumns.Value > 6) TLanes.StoreRow(c + 5 * TLanes.Count, 0, c5);
                if (TColumns.Value > 7) TLanes.StoreRow(c + 6 * TLanes.Count, 0, c6);
                if (TColumns.Value > 8) TLanes.StoreRow(c + 7 * TLanes.Count, 0, c7);
                if (TColumns.Value > 9) TLanes.StoreRow(c + 8 * TLanes.Count, 0, c8);
                if (TColumns.Value > 10) TLanes.StoreRow(c + 9 * TLanes.Count, 0, c9);
                if (TColumns.Value > 11) TLanes.StoreRow(c + 10 * TLanes.Count, 0, c10);
                if (TColumns.Value > 12) TLanes.StoreRow(c + 11 * TLanes.Count, 0, c11);
                if (TColumns.Value > 13) TLanes.StoreRow(c + 12 * TLanes.Count, 0, c12);
                if (TColumns.Value == 1) StoreLast(c, c0, tail);
                if (TColumns.Value == 2) StoreLast(c + TLanes.Count, c1, tail);
                if (TColumns.Value == 3) StoreLast(c + 2 * TLanes.Count, c2, tail);
                if (TColumns.Value == 4) StoreLast(c + 3 * TLanes.Count, c3, tail);
                if (TColumns.Value == 5) StoreLast(c + 4 * TLanes.Count, c4, tail);
                if (TColumns.Value == 6) StoreLast(c + 5 * TLanes.Count, c5, tail);
                if (TColumns.Value == 7) StoreLast(c + 6 * TLanes.Count, c6, tail);
                if (TColumns.Value == 8) StoreLast(c + 7 * TLanes.Count, c7, tail);
                if (TColumns.Value == 9) StoreLast(c + 8 * TLanes.Count, c8, tail);
                if (TColumns.Value == 10) StoreLast(c + 9 * TLanes.Count, c9, tail);
                if (TColumns.Value == 11) StoreLast(c + 10 * TLanes.Count, c10, tail);
                if (TColumns.Value == 12) StoreLast(c + 11 * TLanes.Count, c11, tail);
                if (TColumns.Value == 13) StoreLast(c + 12 * TLanes.Count, c12, tail);
                if (TColumns.Value == 14) StoreLast(c + 13 * TLanes.Count, c13, tail);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreLast(float* target, TVector value, int tail)
    {
        if (tail == 0) TLanes.StoreRow(target, 0, value);
        else TLanes.StoreFirst(target, value, tail);
    }
}
