namespace FedCore.Training.Tensors;

/// <summary>The norm of one example's gradient of a weight matrix, xᵀ dy over the example's rows, by the shorter of two ways.</summary>
internal static unsafe class GhostNorms
{
    /// <summary>
    /// ||xᵀ dy||². For one row that is ||x||² ||dy||² (Goodfellow 2015); for several Σ over pairs of rows of (x_t · x_s)(dy_t · dy_s) (Li et al. 2022, section
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
        return (double)rows * ((double)inputs + outputs) < (double)inputs * outputs
            ? OfPairs(x, xPitch, dy, dyPitch, rows, inputs, outputs)
            : OfNumbers(x, xPitch, dy, dyPitch, rows, inputs, outputs);
    }

    /// <summary>The squared norm of the sum of rows: of a bias's gradient.</summary>
    public static double OfSum(float* dy, nint pitch, int rows, int columns)
    {
        float* sum = Scratch.Panel(columns);
        var target = new Span<float>(sum, columns);
        target.Clear();
        for (int row = 0; row < rows; row++) System.Numerics.Tensors.TensorPrimitives.Add(target, new ReadOnlySpan<float>(dy + row * pitch, columns), target);
        return OfRow(sum, columns);
    }

    /// <summary>The squared norm of a row.</summary>
    public static double OfRow(float* row, int columns)
    {
        var values = new ReadOnlySpan<float>(row, columns);
        return RowSums.Products(values, values);
    }

    private static double OfPairs(float* x, nint xPitch, float* dy, nint dyPitch, int rows, int inputs, int outputs)
    {
        int pitch = (rows + 15) / 16 * 16;
        float* products = Scratch.Panel((2L * rows + Math.Max(inputs, outputs) + Transpose.ExtraRows) * pitch), others = products + (nint)rows * pitch;
        float* transposed = others + (nint)rows * pitch;
        Gram(x, xPitch, rows, inputs, transposed, products, pitch);
        Gram(dy, dyPitch, rows, outputs, transposed, others, pitch);
        double sum = 0;
        for (int row = 0; row < rows; row++)
            sum += RowSums.Products(new ReadOnlySpan<float>(products + (nint)row * pitch, rows), new ReadOnlySpan<float>(others + (nint)row * pitch, rows));

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
