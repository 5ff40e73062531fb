using System.Numerics.Tensors;
using System.Runtime.Intrinsics;

namespace FedCore.Training.Tensors;

/// <summary>
/// The products of a dense layer, for the batches of federated training: few rows, so nothing is packed and the weights are read once from wherever
/// they lie. Matrices are row-major; a weight matrix is [inputs, outputs].
/// </summary>
internal static unsafe class MatrixKernels
{
    // A weight matrix up to the first size stays in a second-level cache of 1 MB as a whole; a larger one is worked on in blocks of the second.
    private const int CachedBytes = 640 * 1024, BlockBytes = 128 * 1024;

    /// <summary>From this many rows on, copying panels of B into consecutive memory pays.</summary>
    public const int PackRows = 64;

    private const int PackDepth = 512, PackPanels = 4, PackInputs = 32;

    /// <summary>y[rows, outputs] = bias + x[rows, inputs] w[inputs, outputs].</summary>
    public static void Forward(float* x, int rows, int inputs, float* w, int outputs, float* bias, float* y)
    {
        var all = new TileWork
        {
            A = x,
            ARow = inputs,
            AStep = 1,
            B = w,
            BStep = outputs,
            C = y,
            CRow = outputs,
            Depth = inputs,
            Segments = 1,
            Bias = bias,
            Mode = bias is null ? TileMode.FromZero : TileMode.FromBias,
        };
        if (SparseProduct.Suits(all, rows, outputs))
        {
            SparseProduct.Run(all, rows, outputs);
            return;
        }

        if (rows >= PackRows)
        {
            MultiplyPacked(x, rows, inputs, w, outputs, bias, y);
            return;
        }

        // A few columns that leave a quarter of a vector empty, or more, are better computed with the rows as vectors, where these are whole.
        int rest = outputs % TileGrid.VectorLength, whole = outputs;
        if (rest > 0 && 4 * rest <= 3 * TileGrid.VectorLength && rows % TileGrid.VectorLength == 0 && (rest % 4 == 0 || rest == outputs))
        {
            whole = outputs - rest;
            ForwardTransposed(x, rows, inputs, w + whole, outputs, rest, bias is null ? null : bias + whole, y + whole);
            if (whole == 0) return;
        }

        int block = BlockRows(inputs, outputs);
        for (int k = 0; k < inputs; k += block)
        {
            TileWork work = all;
            work.A += k;
            work.B += (nint)k * outputs;
            work.Depth = Math.Min(block, inputs - k);
            if (k > 0) work.Mode = TileMode.FromC;
            TileGrid.Run(work, rows, whole);
        }
    }

    // Some columns of w [inputs, outputs] and y: yᵀ[columns, rows] = bias + wᵀ xᵀ, where x is transposed block by block.
    private static void ForwardTransposed(float* x, int rows, int inputs, float* w, int outputs, int columns, float* bias, float* y)
    {
        const int block = 64;
        float* transposed = Scratch.Panel((block + columns) * rows), result = transposed + block * rows;
        for (int column = 0; column < columns; column++) new Span<float>(result + column * rows, rows).Fill(bias is null ? 0 : bias[column]);
        for (int k = 0; k < inputs; k += block)
        {
            int depth = Math.Min(block, inputs - k);
            Transpose.Run(x + k, inputs, rows, depth, transposed, rows, rows);
            var work = new TileWork
            {
                A = w + (nint)k * outputs,
                ARow = 1,
                AStep = outputs,
                B = transposed,
                BStep = rows,
                C = result,
                CRow = rows,
                Depth = depth,
                Segments = 1,
                Mode = TileMode.FromC,
            };
            TileGrid.Run(work, columns, rows);
        }

        Transpose.Run(result, rows, columns, rows, y, outputs, columns);
    }

    /// <summary>
    /// target[inputs, outputs] = xᵀ dy, or target += xᵀ dy: with dy scaled by a step, weights move without the gradient ever being stored. From a row of
    /// x to the next are <paramref name="pitch"/> floats.
    /// </summary>
    public static void WeightGradient(float* x, int pitch, int rows, int inputs, float* dy, int outputs, float* target, bool adds)
    {
        var work = new TileWork
        {
            A = x,
            ARow = 1,
            AStep = pitch,
            B = dy,
            BStep = outputs,
            C = target,
            CRow = outputs,
            Depth = rows,
            Segments = 1,
            Mode = adds ? TileMode.AddToC : TileMode.FromZero,
        };
        if (SparseProduct.Suits(work, inputs, outputs)) SparseProduct.Run(work, inputs, outputs);
        else if (rows >= PackRows && inputs >= PackInputs) WeightGradientPacked(work, inputs, outputs);
        else TileGrid.Run(work, inputs, outputs);
    }

    // The same for many rows, as those of sequences: panels of dy are copied into consecutive memory, some rows of them at a time, and meet all columns of x.
    private static void WeightGradientPacked(in TileWork all, int inputs, int outputs)
    {
        int panel = TileGrid.TileColumns, height = Math.Min(PackDepth, all.Depth);
        float* packed = Scratch.Panel((long)(height + inputs) * panel), sums = packed + (nint)height * panel;
        bool adds = all.Mode == TileMode.AddToC;
        for (int column = 0; column < outputs; column += panel)
        {
            // What is added to the weights is summed by itself first.
            int width = Math.Min(panel, outputs - column);
            float* target = adds ? sums : all.C + column;
            nint pitch = adds ? panel : all.CRow;
            for (int k = 0; k < all.Depth; k += height)
            {
                int depth = Math.Min(height, all.Depth - k);
                Pack(all.B + k * all.BStep, outputs, depth, column, column + width, packed);
                TileWork work = all;
                work.A += k * all.AStep;
                (work.BStep, work.CRow, work.Depth) = (panel, pitch, depth);
                work.B = packed;
                work.C = target;
                work.Mode = k > 0 ? TileMode.FromC : TileMode.FromZero;
                TileGrid.Run(work, inputs, width);
            }

            for (int row = 0; adds && row < inputs; row++)
            {
                var weights = new Span<float>(all.C + row * all.CRow + column, width);
                TensorPrimitives.Add(weights, new ReadOnlySpan<float>(sums + (nint)row * panel, width), weights);
            }
        }
    }

    /// <summary>In blocks of how many rows a weight matrix is best used, so that it comes from memory once.</summary>
    public static int BlockRows(int inputs, int outputs)
    {
        long row = (long)sizeof(float) * outputs;
        return inputs * row <= CachedBytes ? inputs : (int)Math.Max(1, BlockBytes / (row * TileGrid.TileRows)) * TileGrid.TileRows;
    }

    /// <summary>For so many inputs a part of the input gradient needs memory.</summary>
    public static int PartRows => 8 * TileGrid.TileRows;

    /// <summary>
    /// dx[rows, inputs] = dy wᵀ, as dxᵀ[inputs, rows] = w[inputs, outputs] dyᵀ[outputs, rows]: the batch is the vector dimension. Parts of dxᵀ that a
    /// first-level cache holds are transposed while they are there.
    /// </summary>
    /// <param name="w">[inputs, outputs].</param>
    /// <param name="inputs">Rows of w.</param>
    /// <param name="outputs">Columns of w.</param>
    /// <param name="dyTransposed">[outputs, pitch], with 64 readable bytes behind.</param>
    /// <param name="rows">Rows of dx.</param>
    /// <param name="pitch">From a row of dyᵀ, or of a part, to the next: a multiple of 4 that holds the rows.</param>
    /// <param name="part">Memory for [<see cref="PartRows"/>, pitch].</param>
    /// <param name="dx">Receives [rows, inputs]; where the rows are no multiple of 4, up to 3 more are written.</param>
    /// <param name="dxPitch">From a row of dx to the next.</param>
    public static void InputGradient(
        float* w, int inputs, int outputs, float* dyTransposed, int rows, int pitch, float* part, float* dx, int dxPitch)
    {
        for (int first = 0; first < inputs; first += PartRows)
        {
            int count = Math.Min(PartRows, inputs - first);
            var work = new TileWork
            {
                A = w + (nint)first * outputs,
                ARow = outputs,
                AStep = 1,
                B = dyTransposed,
                BStep = pitch,
                C = part,
                CRow = pitch,
                Depth = outputs,
                Segments = 1,
            };
            TileGrid.Run(work, count, rows);
            Transpose.Run(part, pitch, count, rows, dx + first, dxPitch, count);
        }
    }

    /// <summary>target[column] = Σ over rows of dy[row, column], in order, or target += Σ. Reads up to 15 floats behind the last column.</summary>
    public static void ColumnSums(float* dy, int rows, int columns, float* target, bool adds)
    {
        int lanes = Vector512<float>.Count, column = 0;

        // Four chains at a time, since each waits for its additions.
        for (; column + 4 * lanes <= columns; column += 4 * lanes)
        {
            Vector512<float> a = Vector512<float>.Zero, b = a, c = a, d = a;
            float* row = dy + column;
            for (int r = 0; r < rows; r++, row += columns)
            {
                a += Vector512.Load(row);
                b += Vector512.Load(row + lanes);
                c += Vector512.Load(row + 2 * lanes);
                d += Vector512.Load(row + 3 * lanes);
            }

            Store(a, target + column, lanes, adds);
            Store(b, target + column + lanes, lanes, adds);
            Store(c, target + column + 2 * lanes, lanes, adds);
            Store(d, target + column + 3 * lanes, lanes, adds);
        }

        for (; column < columns; column += lanes)
        {
            Vector512<float> sum = Vector512<float>.Zero;
            float* row = dy + column;
            for (int r = 0; r < rows; r++, row += columns) sum += Vector512.Load(row);
            Store(sum, target + column, Math.Min(lanes, columns - column), adds);
        }

        static void Store(Vector512<float> sum, float* target, int count, bool adds)
        {
            if (adds) sum += Vector512.Load(target);
            if (count == Vector512<float>.Count) sum.Store(target);
            else new ReadOnlySpan<float>(&sum, count).CopyTo(new Span<float>(target, count));
        }
    }

    /// <summary>
    /// The same as <see cref="Forward"/> for many rows: a few panels of B are copied into consecutive memory first, and a band of rows of A meets them
    /// all while it is in the cache.
    /// </summary>
    private static void MultiplyPacked(float* a, int rows, int depth, float* b, int columns, float* bias, float* c)
    {
        int panel = TileGrid.TileColumns, bands = (rows + TileGrid.TileRows - 1) / TileGrid.TileRows, band = (rows + bands - 1) / bands;
        float* packed = Scratch.Panel(PackPanels * PackDepth * panel);
        for (int k = 0; k < depth; k += PackDepth)
        {
            int height = Math.Min(PackDepth, depth - k);
            for (int first = 0; first < columns; first += PackPanels * panel)
            {
                int end = Math.Min(first + PackPanels * panel, columns);
                Pack(b + (nint)k * columns, columns, height, first, end, packed);
                for (int row = 0; row < rows; row += band)
                {
                    for (int column = first; column < end; column += panel)
                    {
                        var work = new TileWork
                        {
                            A = a + (nint)row * depth + k,
                            ARow = depth,
                            AStep = 1,
                            B = packed + (nint)(column - first) * height,
                            BStep = panel,
                            C = c + (nint)row * columns + column,
                            CRow = columns,
                            Depth = height,
                            Segments = 1,
                            Bias = bias + column,
                            Mode = k > 0 ? TileMode.FromC : bias is null ? TileMode.FromZero : TileMode.FromBias,
                        };
                        TileGrid.Run(work, Math.Min(band, rows - row), Math.Min(panel, end - column));
                    }
                }
            }
        }
    }

    // Panels of some rows of B from one column to another, one panel behind the other.
    private static void Pack(float* b, int columns, int height, int first, int end, float* target)
    {
        int panel = TileGrid.TileColumns;
        for (int column = first; column < end; column += panel)
        {
            int width = Math.Min(panel, end - column);
            for (int row = 0; row < height; row++, target += panel)
                new ReadOnlySpan<float>(b + (nint)row * columns + column, width).CopyTo(new Span<float>(target, width));
        }
    }
}
