using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace FedCore.Training.Tensors;

/// <summary>Matrix transposition in blocks of 16 rows x 8 columns, 8 x 4, and 4 x 4.</summary>
internal static unsafe class Transpose
{
    /// <summary>For how many rows beyond a matrix its memory has room, so that blocks of four are moved whole.</summary>
    public const int ExtraRows = 3;

    /// <summary>
    /// target[c, r] = source[r, c]. Where the columns are no multiple of 4, up to 3 more are read, and up to 3 more rows of the target written; where
    /// the rows are none and there is room in the target, up to 3 more rows are read and columns of the target written.
    /// </summary>
    /// <param name="source">[rows, columns].</param>
    /// <param name="sourcePitch">From a row of the source to the next.</param>
    /// <param name="rows">Rows of the source.</param>
    /// <param name="columns">Columns of the source.</param>
    /// <param name="target">[columns, rows].</param>
    /// <param name="targetPitch">From a row of the target to the next.</param>
    /// <param name="room">Columns of the target that may be written, at least <paramref name="rows"/>.</param>
    public static void Run(float* source, nint sourcePitch, int rows, int columns, float* target, nint targetPitch, int room)
    {
        int r = 0;
        if (Avx512DQ.IsSupported)
        {
            for (; r + 16 <= rows; r += 16)
            {
                float* s = source + r * sourcePitch;
                float* t = target + r;
                int whole = columns / 8 * 8;
                SixteenRows(s, sourcePitch, whole, t, targetPitch);
                for (int c = whole; c < columns; c += 4)
                {
                    EightRows(s + c, sourcePitch, t + c * targetPitch, targetPitch);
                    EightRows(s + c + 8 * sourcePitch, sourcePitch, t + c * targetPitch + 8, targetPitch);
                }
            }
        }

        if (Avx.IsSupported)
        {
            for (; r + 8 <= rows; r += 8)
            {
                float* s = source + r * sourcePitch;
                float* t = target + r;
                for (int c = 0; c < columns; c += 4) EightRows(s + c, sourcePitch, t + c * targetPitch, targetPitch);
            }
        }

        for (; r + 4 <= rows || (r < rows && r + 4 <= room); r += 4)
        {
            float* s = source + r * sourcePitch;
            float* t = target + r;
            for (int c = 0; c < columns; c += 4) FourRows(s + c, sourcePitch, t + c * targetPitch, targetPitch);
        }

        for (; r < rows; r++)
            for (int c = 0; c < columns; c++) target[c * targetPitch + r] = source[r * sourcePitch + c];
    }

    // Blocks of 16 rows x 8 columns: first the 4 x 4 blocks are transposed in the quarters of the vectors, then the quarters are put in order. Not for
    // inlining: in a large method the compiler would leave the parts of this one as calls.
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void SixteenRows(float* s, nint sourcePitch, int columns, float* t, nint targetPitch)
    {
        nint eightRows = 8 * sourcePitch, fourTargets = 4 * targetPitch;
        for (float* end = s + columns; s < end; s += 8, t += 2 * fourTargets)
        {
            Quarters(s, sourcePitch, out Vector512<float> a0, out Vector512<float> a1, out Vector512<float> a2, out Vector512<float> a3);
            Quarters(s + eightRows, sourcePitch, out Vector512<float> b0, out Vector512<float> b1, out Vector512<float> b2, out Vector512<float> b3);
            StoreQuarters(a0, b0, t, fourTargets);
            StoreQuarters(a1, b1, t + targetPitch, fourTargets);
            StoreQuarters(a2, b2, t + 2 * targetPitch, fourTargets);
            StoreQuarters(a3, b3, t + 3 * targetPitch, fourTargets);
        }
    }

    // Eight rows of two 4 x 4 blocks, four in the lower and four in the upper halves: vector i gets column i of each block.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Quarters(
        float* s, nint pitch, out Vector512<float> t0, out Vector512<float> t1, out Vector512<float> t2, out Vector512<float> t3)
    {
        float* fourth = s + 4 * pitch;
        Vector512<float> r0 = TwoRows(s, fourth), r1 = TwoRows(s + pitch, fourth + pitch);
        Vector512<float> r2 = TwoRows(s + 2 * pitch, fourth + 2 * pitch), r3 = TwoRows(s + 3 * pitch, fourth + 3 * pitch);
        Vector512<double> a = Avx512F.UnpackLow(r0, r1).AsDouble(), b = Avx512F.UnpackLow(r2, r3).AsDouble();
        Vector512<double> c = Avx512F.UnpackHigh(r0, r1).AsDouble(), d = Avx512F.UnpackHigh(r2, r3).AsDouble();
        t0 = Avx512F.UnpackLow(a, b).AsSingle();
        t1 = Avx512F.UnpackHigh(a, b).AsSingle();
        t2 = Avx512F.UnpackLow(c, d).AsSingle();
        t3 = Avx512F.UnpackHigh(c, d).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> TwoRows(float* first, float* second) =>
        Avx512DQ.InsertVector256(Vector256.Load(first).ToVector512Unsafe(), Vector256.Load(second), 1);

    // The even quarters are a row of the target, the odd ones the row four further down.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreQuarters(Vector512<float> a, Vector512<float> b, float* t, nint pitch)
    {
        const byte even = 0b10_00_10_00, odd = 0b11_01_11_01;
        Avx512F.Shuffle4x128(a, b, even).Store(t);
        Avx512F.Shuffle4x128(a, b, odd).Store(t + pitch);
    }

    // Two blocks of four rows, one in the lower and one in the upper halves of the vectors.
    private static void EightRows(float* s, nint sourcePitch, float* t, nint targetPitch)
    {
        Vector256<float> r0 = Halves(s, sourcePitch), r1 = Halves(s + sourcePitch, sourcePitch);
        Vector256<float> r2 = Halves(s + 2 * sourcePitch, sourcePitch), r3 = Halves(s + 3 * sourcePitch, sourcePitch);
        Vector256<double> a = Avx.UnpackLow(r0, r1).AsDouble(), b = Avx.UnpackLow(r2, r3).AsDouble();
        Vector256<double> c = Avx.UnpackHigh(r0, r1).AsDouble(), d = Avx.UnpackHigh(r2, r3).AsDouble();
        Avx.UnpackLow(a, b).AsSingle().Store(t);
        Avx.UnpackHigh(a, b).AsSingle().Store(t + targetPitch);
        Avx.UnpackLow(c, d).AsSingle().Store(t + 2 * targetPitch);
        Avx.UnpackHigh(c, d).AsSingle().Store(t + 3 * targetPitch);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Halves(float* row, nint pitch) => Vector256.Create(Vector128.Load(row), Vector128.Load(row + 4 * pitch));

    private static void FourRows(float* s, nint sourcePitch, float* t, nint targetPitch)
    {
        Vector128<float> r0 = Vector128.Load(s), r1 = Vector128.Load(s + sourcePitch);
        Vector128<float> r2 = Vector128.Load(s + 2 * sourcePitch), r3 = Vector128.Load(s + 3 * sourcePitch);
        if (Sse.IsSupported)
        {
            Vector128<float> a = Sse.UnpackLow(r0, r1), b = Sse.UnpackLow(r2, r3), c = Sse.UnpackHigh(r0, r1), d = Sse.UnpackHigh(r2, r3);
            Sse.MoveLowToHigh(a, b).Store(t);
            Sse.MoveHighToLow(b, a).Store(t + targetPitch);
            Sse.MoveLowToHigh(c, d).Store(t + 2 * targetPitch);
            Sse.MoveHighToLow(d, c).Store(t + 3 * targetPitch);
        }
        else if (AdvSimd.Arm64.IsSupported)
        {
            Vector128<float> a = AdvSimd.Arm64.ZipLow(r0, r2), b = AdvSimd.Arm64.ZipLow(r1, r3);
            Vector128<float> c = AdvSimd.Arm64.ZipHigh(r0, r2), d = AdvSimd.Arm64.ZipHigh(r1, r3);
            AdvSimd.Arm64.ZipLow(a, b).Store(t);
            AdvSimd.Arm64.ZipHigh(a, b).Store(t + targetPitch);
            AdvSimd.Arm64.ZipLow(c, d).Store(t + 2 * targetPitch);
            AdvSimd.Arm64.ZipHigh(c, d).Store(t + 3 * targetPitch);
        }
        else
        {
            for (int column = 0; column < 4; column++)
                Vector128.Create(r0[column], r1[column], r2[column], r3[column]).Store(t + column * targetPitch);
        }
    }
}
