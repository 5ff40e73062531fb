namespace FedCore.Training.Tensors;

/// <summary>The backward passes of <c>y = x w + b</c>, for the rows of a batch or of all its tokens.</summary>
internal static unsafe class DenseProducts
{
    /// <summary>
    /// Gradients of weights and bias, or with a step the weights themselves moved, and the input gradient with the weights as they were in the forward pass.
    /// </summary>
    /// <param name="x">[rows, inputs].</param>
    /// <param name="rows">Rows of x and dy.</param>
    /// <param name="inputs">Columns of x.</param>
    /// <param name="w">[inputs, outputs].</param>
    /// <param name="outputs">Columns of dy.</param>
    /// <param name="dy">[rows, outputs].</param>
    /// <param name="dx">Receives [rows, inputs], and up to three rows more; null where nobody needs it.</param>
    /// <param name="target">The weights' gradient, or with a step the weights.</param>
    /// <param name="bias">The bias's gradient, or the bias; null where there is none.</param>
    /// <param name="adds">Whether to add to target and bias.</param>
    /// <param name="apart">Of how many rows each the gradients are formed by themselves and then added up; 0 for all together.</param>
    public static void Backward(float* x, int rows, int inputs, float* w, int outputs, float* dy, float* dx, float* target, float* bias, bool adds, int apart = 0)
    {
        if (apart > 1)
        {
            if (dx is not null) InputGradient(w, inputs, outputs, dy, rows, dx);
            for (int row = 0; row < rows; row += apart, adds = true) Gradients(x + (nint)row * inputs, inputs, apart, inputs, dy + (nint)row * outputs, outputs, target, bias, adds);
            return;
        }

        // First, while dy is in the cache.
        if (bias is not null) MatrixKernels.ColumnSums(dy, rows, outputs, bias, adds);
        if (rows >= MatrixKernels.PackRows)
        {
            if (dx is not null) InputGradient(w, inputs, outputs, dy, rows, dx);
            MatrixKernels.WeightGradient(x, inputs, rows, inputs, dy, outputs, target, adds);
            return;
        }

        // Block by block, so that the weights come from memory once: the input gradient reads them as they were in the forward pass, then they move.
        var gradient = dx is null ? default : new InputGradients(dy, rows, outputs);
        int block = MatrixKernels.BlockRows(inputs, outputs);
        for (int first = 0; first < inputs; first += block)
        {
            int count = Math.Min(block, inputs - first);
            nint row = (nint)first * outputs;
            if (dx is not null) gradient.Compute(w + row, count, dx + first, inputs);
            MatrixKernels.WeightGradient(x + first, inputs, rows, count, dy, outputs, target + row, adds);
        }
    }

    /// <summary>The gradients of weights and bias alone; from a row of x to the next are <paramref name="pitch"/> floats.</summary>
    public static void Gradients(float* x, int pitch, int rows, int inputs, float* dy, int outputs, float* target, float* bias, bool adds)
    {
        if (bias is not null) MatrixKernels.ColumnSums(dy, rows, outputs, bias, adds);
        MatrixKernels.WeightGradient(x, pitch, rows, inputs, dy, outputs, target, adds);
    }

    /// <summary>dx[rows, inputs] = dy wᵀ; up to three rows more are written.</summary>
    public static void InputGradient(float* w, int inputs, int outputs, float* dy, int rows, float* dx)
    {
        if (rows < MatrixKernels.PackRows)
        {
            new InputGradients(dy, rows, outputs).Compute(w, inputs, dx, inputs);
            return;
        }

        // Beside so many rows it costs little to turn the weights round, and the product is one like the forward pass.
        float* turned = Scratch.Weights(((long)outputs + Transpose.ExtraRows) * inputs);
        Transpose.Run(w, outputs, inputs, outputs, turned, inputs, inputs);
        MatrixKernels.Forward(dy, rows, outputs, turned, inputs, null, dx);
    }

    // dy turned round once, for the blocks of the weights that it meets.
    private readonly struct InputGradients
    {
        private readonly float* _dyTransposed, _part;
        private readonly int _rows, _outputs, _pitch;

        public InputGradients(float* dy, int rows, int outputs)
        {
            (_rows, _outputs, _pitch) = (rows, outputs, (rows + 15) / 16 * 16);
            int room = outputs + Transpose.ExtraRows;
            _dyTransposed = Scratch.Panel((long)(room + MatrixKernels.PartRows) * _pitch);
            _part = _dyTransposed + (nint)room * _pitch;
            Transpose.Run(dy, outputs, rows, outputs, _dyTransposed, _pitch, _pitch);
        }

        public void Compute(float* w, int inputs, float* dx, int dxPitch) =>
            MatrixKernels.InputGradient(w, inputs, _outputs, _dyTransposed, _rows, _pitch, _part, dx, dxPitch);
    }
}
