using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace FedCore.Training.Tensors;

/// <summary>Matrix transposition in 4 x 4 blocks.</summary>
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
        for (; r + 4 <= rows || (r < rows && r + 4 <= targetPitch); r += 4)
        {
            float* s = source + r * sourcePitch;
            float* t = target + r;
            for (int c = 0; c < columns; c += 4) Block(s + c, sourcePitch, t + c * targetPitch, targetPitch);
        }

        for (; r < rows; r++)
            for (int c = 0; c < columns; c++) target[c * targetPitch + r] = source[r * sourcePitch + c];
    }

    private static void Block(float* s, nint sourcePitch, float* t, nint targetPitch)
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
