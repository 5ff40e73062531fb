using FedCore.Models;
using FedCore.Models.Layers;
using FedCore.Numerics;
using FedCore.Training.Tensors;

namespace FedCore.Training.Layers;

/// <summary><c>y = x K + b</c>.</summary>
internal sealed unsafe class LinearLayer : Layer
{
    private readonly int _inputs;
    private readonly int _outputs;
    private readonly bool _bias;
    private readonly FlatVector _transposedOutput;
    private readonly FlatVector _transposedInput;

    public LinearLayer(LinearSpec spec, Shape input, int capacity)
    {
        _inputs = input[0];
        _outputs = spec.Outputs;
        _bias = spec.Bias;
        int pitch = Pitch(capacity);
        _transposedOutput = new FlatVector((long)(_outputs + 3) * pitch);
        _transposedInput = new FlatVector((long)(_inputs + 3) * pitch);
    }

    public override bool NeedsOutput => false;

    public override void Forward(in LayerPass pass, ReadOnlySpan<float> input, Span<float> output)
    {
        fixed (float* x = input, y = output, w = pass.Parameters)
            MatrixKernels.Forward(x, pass.Batch, _inputs, w, _outputs, _bias ? w + (nint)_inputs * _outputs : null, y);
    }

    public override bool Backward(
        in LayerPass pass, ReadOnlySpan<float> input, ReadOnlySpan<float> output, Span<float> outputGradient, Span<float> inputGradient)
    {
        bool isStep = pass.IsStep;
        fixed (float* x = input, dy = outputGradient, dx = inputGradient, w = pass.Parameters, dw = pass.Gradients)
        {
            int batch = pass.Batch, pitch = Pitch(batch);
            float* target = isStep ? w : dw, dyTransposed = _transposedOutput.Pointer, dxTransposed = _transposedInput.Pointer;
            if (dx is not null) Transpose.Run(dy, _outputs, batch, _outputs, dyTransposed, pitch);

            // Block by block, so that the weights come from memory once: the input gradient reads them as they were in the forward pass, then they move.
            int block = MatrixKernels.BlockRows(_inputs, _outputs);
            for (int first = 0; first < _inputs; first += block)
            {
                int inputs = Math.Min(block, _inputs - first);
                nint row = (nint)first * _outputs;
                if (dx is not null) MatrixKernels.InputGradient(w + row, inputs, _outputs, dyTransposed, batch, pitch, dxTransposed + (nint)first * pitch);
                MatrixKernels.WeightGradient(x + first, _inputs, batch, inputs, dy, _outputs, target + row, isStep);
            }

            if (dx is not null) Transpose.Run(dxTransposed, pitch, _inputs, batch, dx, _inputs);
            if (_bias) MatrixKernels.ColumnSums(dy, batch, _outputs, target + (nint)_inputs * _outputs, isStep);
        }

        return isStep;
    }

    protected override void Dispose(bool disposing)
    {
        _transposedInput.Dispose();
        _transposedOutput.Dispose();
        base.Dispose(disposing);
    }

    private static int Pitch(int batch) => (batch + 15) / 16 * 16;
}
