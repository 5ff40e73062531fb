using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace FedCore.Training.Tensors;

/// <summary>Matrix transposition in blocks of 4 columns and 8 or 4 rows.</summary>
internal static unsafe class Transpose
{
    /// <summary>
    /// target[c, r] = source[r, c]. Where the columns are no multiple of 4, up to 3 more are read, and up to 3 more rows of the target written; where
    /// the rows are none and the target's pitch leaves room, up to 3 more rows are read and columns of the target written.
    /// </summary>
    /// <param name="source">[rows, columns].</param>
    /// <param name="sourcePitch">From a row of the source to the next.</param>
    /// <param name="rows">Rows of the source.</param>
    /// <param name="columns">Columns of the source.</param>
    /// <param name="target">[columns, rows].</param>
    /// <param name="targetPitch">From a row of the target to the next.</param>
    public static void Run(float* source, nint sourcePitch, int rows, int columns, float* target, nint targetPitch)
    {
        int r = 0;
        if (Avx.IsSupported)
        {
            for (; r + 8 <= rows; r += 8)
            {
                float* s = source + r * sourcePitch;
                float* t = target + r;
                for (int c = 0; c < columns; c += 4) EightRows(s + c, sourcePitch, t + c * targetPitch, targetPitch);
            }
        }

        for (; r + 4 <= rows || (r < rows && r + 4 <= targetPitch); r += 4)
        {
            float* s = source + r * sourcePitch;
            float* t = target + r;
            for (int c = 0; c < columns; c += 4) FourRows(s + c, sourcePitch, t + c * targetPitch, targetPitch);
        }

        for (; r < rows; r++)
            for (int c = 0; c < columns; c++) target[c * targetPitch + r] = source[r * sourcePitch + c];
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
