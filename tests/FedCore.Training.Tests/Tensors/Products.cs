using FedCore.Training.Tensors;

namespace FedCore.Training.Tests.Tensors;

/// <summary>Products as plain loops: as chains of fused multiply-adds in the order of k, which is what the kernels promise, and in double precision.</summary>
internal static class Products
{
    // The shapes that matter: one vector of each width, one less, one more, two of them, tails, and tails of half a vector.
    public static readonly int[] Columns = [1, 3, 7, 8, 10, 12, 15, 16, 17, 24, 31, 32, 33, 47, 200];

    public delegate float Element(int row, int k);

    /// <summary>start[r, c] + Σ_k a(r, k) b(k, c), fused and in order.</summary>
    public static float[] Chain(int rows, int depth, int columns, Element a, Element b, Element start)
    {
        float[] result = new float[rows * columns];
        for (int r = 0; r < rows; r++)
        {
            for (int c = 0; c < columns; c++) result[r * columns + c] = start(r, c);
            for (int k = 0; k < depth; k++)
            {
                float x = a(r, k);
                for (int c = 0; c < columns; c++) result[r * columns + c] = MathF.FusedMultiplyAdd(x, b(k, c), result[r * columns + c]);
            }
        }

        return result;
    }

    /// <summary>What becomes of C = before in a mode: a chain from where the mode begins, and added to it where the mode says so.</summary>
    public static float[] Result(TileMode mode, int rows, int depth, int columns, Element a, Element b, float[] bias, float[] before)
    {
        float[] result = Chain(rows, depth, columns, a, b, (r, column) => mode switch
        {
            TileMode.FromBias => bias[column],
            TileMode.FromC => before[r * columns + column],
            _ => 0,
        });
        if (mode == TileMode.AddToC)
            for (int i = 0; i < result.Length; i++) result[i] += before[i];
        return result;
    }

    /// <summary>
    /// Compares with double precision. A chain of n roundings is off by at most n u / (1 - n u) times the sum of magnitudes, u = 2^-24 (Higham 2002, section 3.1).
    /// </summary>
    public static void AssertNear(float[] actual, int rows, int depth, int columns, Element a, Element b, Element start)
    {
        double unit = Math.Pow(2, -24), bound = (depth + 1) * unit / (1 - (depth + 1) * unit);
        for (int r = 0; r < rows; r++)
        {
            for (int c = 0; c < columns; c++)
            {
                double sum = start(r, c), magnitude = Math.Abs(sum);
                for (int k = 0; k < depth; k++)
                {
                    double product = (double)a(r, k) * b(k, c);
                    sum += product;
                    magnitude += Math.Abs(product);
                }

                double error = Math.Abs(actual[r * columns + c] - sum);
                if (!(error <= bound * magnitude)) Assert.Fail($"[{r}, {c}] is {actual[r * columns + c]} instead of {sum}: off by {error}, allowed {bound * magnitude}");
            }
        }
    }
}
