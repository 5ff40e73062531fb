using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace FedCore.Training.Tensors;

/// <summary>Sums along a row, over 16 logical lanes that are added in order, so that the bits are the same for any vector width.</summary>
internal static class RowSums
{
    /// <summary>Σ x.</summary>
    public static float Plain(ReadOnlySpan<float> x)
    {
        ref float xs = ref MemoryMarshal.GetReference(x);
        Vector512<float> sum = default;
        int lanes = Vector512<float>.Count, i = 0;
        for (; i + lanes <= x.Length; i += lanes) sum += Vector512.LoadUnsafe(ref xs, (nuint)i);
        return Add(sum + Rest(x[i..]));
    }

    /// <summary>Σ (x - mean)².</summary>
    public static float Squares(ReadOnlySpan<float> x, float mean)
    {
        ref float xs = ref MemoryMarshal.GetReference(x);
        Vector512<float> sum = default, middle = Vector512.Create(mean);
        int lanes = Vector512<float>.Count, i = 0;
        for (; i + lanes <= x.Length; i += lanes)
        {
            Vector512<float> difference = Vector512.LoadUnsafe(ref xs, (nuint)i) - middle;
            sum += difference * difference;
        }

        Span<float> rest = stackalloc float[lanes];
        for (int j = 0; i + j < x.Length; j++) rest[j] = (x[i + j] - mean) * (x[i + j] - mean);
        return Add(sum + Vector512.Create<float>(rest));
    }

    /// <summary>Σ x y.</summary>
    public static float Products(ReadOnlySpan<float> x, ReadOnlySpan<float> y)
    {
        ref float xs = ref MemoryMarshal.GetReference(x), ys = ref MemoryMarshal.GetReference(y[..x.Length]);
        Vector512<float> sum = default;
        int lanes = Vector512<float>.Count, i = 0;
        for (; i + lanes <= x.Length; i += lanes) sum += Vector512.LoadUnsafe(ref xs, (nuint)i) * Vector512.LoadUnsafe(ref ys, (nuint)i);
        Span<float> rest = stackalloc float[lanes];
        for (int j = 0; i + j < x.Length; j++) rest[j] = x[i + j] * y[i + j];
        return Add(sum + Vector512.Create<float>(rest));
    }

    /// <summary>Σ x² in double precision, in which no square of a float is too large or too small.</summary>
    public static double ExactSquares(ReadOnlySpan<float> x)
    {
        ref float xs = ref MemoryMarshal.GetReference(x);
        Vector512<double> sum = default;
        int lanes = Vector512<float>.Count, i = 0;
        for (; i + lanes <= x.Length; i += lanes)
        {
            (Vector512<double> low, Vector512<double> high) = Vector512.Widen(Vector512.LoadUnsafe(ref xs, (nuint)i));
            sum += low * low + high * high;
        }

        double rest = 0;
        for (; i < x.Length; i++) rest += (double)x[i] * x[i];
        for (int lane = 0; lane < Vector512<double>.Count; lane++) rest += sum[lane];
        return rest;
    }

    private static Vector512<float> Rest(ReadOnlySpan<float> x)
    {
        Span<float> rest = stackalloc float[Vector512<float>.Count];
        x.CopyTo(rest);
        return Vector512.Create<float>(rest);
    }

    private static float Add(Vector512<float> lanes)
    {
        float sum = 0;
        for (int lane = 0; lane < Vector512<float>.Count; lane++) sum += lanes[lane];
        return sum;
    }
}
