using System.Numerics.Tensors;

namespace FedCore.Training.Tensors;

/// <summary>
/// The norm of one example's gradient of a weight matrix, xᵀ dy over the example's rows, by the shorter of two ways. What is returned is never less than the norm of what
/// floating-point numbers make of the example's gradient, formed by itself in whatever order, and whatever x and dy are: privacy rests on it, and whoever chose the weights may not be a friend. Where
/// rows nearly cancel it is more.
/// </summary>
internal static unsafe class GhostNorms
{
    // Of one operation on floats.
    private const double Rounding = 1.0 / (1 << 24);

    // Between these no product of two numbers is too large or too small for a float.
    private const double Least = 1e-9, Most = 1e9;

    /// <summary>
    /// ||xᵀ dy||², or a little more. For one row that is ||x||² ||dy||² (Goodfellow 2015); for several Σ over pairs of rows of (x_t · x_s)(dy_t · dy_s) (Li et al. 2022, section
    /// 4.1), or the sum over the gradient's own numbers, where there are fewer of them than pairs.
    /// </summary>
    /// <param name="x">[rows, inputs].</param>
    /// <param name="xPitch">From a row of x to the next.</param>
    /// <param name="dy">[rows, outputs].</param>
    /// <param name="dyPitch">From a row of dy to the next.</param>
    /// <param name="rows">Rows of x and dy, at least 1.</param>
    /// <param name="inputs">Columns of x.</param>
    /// <param name="outputs">Columns of dy.</param>
    public static double OfProduct(float* x, nint xPitch, float* dy, nint dyPitch, int rows, int inputs, int outputs)
    {
        if (rows == 1) return OfRow(x, inputs) * OfRow(dy, outputs);

        // No sum is longer than its parts together.
        (double together, bool isSafe) = (0, true);
        for (int row = 0; row < rows; row++)
        {
            double length = Math.Sqrt(OfRow(x + row * xPitch, inputs)), other = Math.Sqrt(OfRow(dy + row * dyPitch, outputs));
            together += length * other;
            isSafe &= IsSafe(length) && IsSafe(other);
        }

        // A sum of so many products is off by a rounding for each row of what they are together (Higham 2002, equation 4.4; the hundredth is for the roundings of roundings, up to 100,000 rows): the
        // gradient is, and so is what its norm is computed from.
        double off = 1.01 * (rows + 4) * Rounding, longest = (1 + off) * (1 + off) * together * together;
        if (!isSafe) return longest;
        if ((double)rows * ((double)inputs + outputs) < (double)inputs * outputs)
            return OfPairs(x, xPitch, dy, dyPitch, rows, inputs, outputs) + longest - together * together + 1.01 * (inputs + outputs + 4) * Rounding * together * together;
        double norm = Math.Sqrt(OfNumbers(x, xPitch, dy, dyPitch, rows, inputs, outputs)) + 2 * off * together;
        return norm * norm;
    }

    /// <summary>The squared norm of the sum of rows, of a bias's gradient, with the very numbers that <see cref="MatrixKernels.ColumnSums"/> gives.</summary>
    public static double OfSum(float* dy, nint pitch, int rows, int columns)
    {
        if (rows == 1) return OfRow(dy, columns);
        float* sum = Scratch.Panel(columns);
        var target = new Span<float>(sum, columns);
        target.Clear();
        for (int row = 0; row < rows; row++) TensorPrimitives.Add(target, new ReadOnlySpan<float>(dy + row * pitch, columns), target);
        return OfRow(sum, columns);
    }

    /// <summary>The squared norm of a row.</summary>
    public static double OfRow(float* row, int columns) => RowSums.ExactSquares(new ReadOnlySpan<float>(row, columns));

    private static bool IsSafe(double length) => length == 0 || (length > Least && length < Most);

    private static double OfPairs(float* x, nint xPitch, float* dy, nint dyPitch, int rows, int inputs, int outputs)
    {
        int pitch = (rows + 15) / 16 * 16;
        float* products = Scratch.Panel((2L * rows + Math.Max(inputs, outputs) + Transpose.ExtraRows) * pitch), others = products + (nint)rows * pitch;
        float* transposed = others + (nint)rows * pitch;
        Gram(x, xPitch, rows, inputs, transposed, products, pitch);
        Gram(dy, dyPitch, rows, outputs, transposed, others, pitch);
        double sum = 0;
        for (int row = 0; row < rows; row++)
        {
            float* ours = products + (nint)row * pitch, theirs = others + (nint)row * pitch;
            for (int other = 0; other < rows; other++) sum += (double)ours[other] * theirs[other];
        }

        // Rounding may leave a norm of almost nothing below it.
        return Math.Max(0, sum);
    }

    // target[rows, rows] = x xᵀ.
    private static void Gram(float* x, nint xPitch, int rows, int columns, float* transposed, float* target, int pitch)
    {
        Transpose.Run(x, xPitch, rows, columns, transposed, pitch, rows);
        var work = new TileWork { A = x, ARow = xPitch, AStep = 1, B = transposed, BStep = pitch, C = target, CRow = pitch, Depth = columns, Segments = 1 };
        TileGrid.Run(work, rows, rows);
    }

    private static double OfNumbers(float* x, nint xPitch, float* dy, nint dyPitch, int rows, int inputs, int outputs)
    {
        // A few of the gradient's rows at a time stay in the cache.
        int block = TileGrid.TileRows;
        float* part = Scratch.Panel((long)block * outputs);
        double sum = 0;
        for (int first = 0; first < inputs; first += block)
        {
            int count = Math.Min(block, inputs - first);
            var work = new TileWork { A = x + first, ARow = 1, AStep = xPitch, B = dy, BStep = dyPitch, C = part, CRow = outputs, Depth = rows, Segments = 1 };
            TileGrid.Run(work, count, outputs);
            for (int row = 0; row < count; row++) sum += OfRow(part + (nint)row * outputs, outputs);
        }

        return sum;
    }
}
