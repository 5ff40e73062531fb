using FedCore.Models;
using FedCore.Models.Layers;
using FedCore.Training.Tensors;

namespace FedCore.Training.Layers;

/// <summary><c>y = x K + b</c>.</summary>
internal sealed unsafe class LinearLayer : Layer
{
    private readonly int _inputs;
    private readonly int _outputs;
    private readonly bool _bias;

    public LinearLayer(LinearSpec spec, Shape input)
    {
        _inputs = input[0];
        _outputs = spec.Outputs;
        _bias = spec.Bias;
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
            float* target = isStep ? w : dw, dyTransposed = null, part = null;

            // First, while dy is in the cache.
            if (_bias) MatrixKernels.ColumnSums(dy, batch, _outputs, target + (nint)_inputs * _outputs, isStep);
            if (dx is not null)
            {
                int outputs = _outputs + Transpose.ExtraRows;
                dyTransposed = Scratch.Panel((long)(outputs + MatrixKernels.PartRows) * pitch);
                part = dyTransposed + (nint)outputs * pitch;
                Transpose.Run(dy, _outputs, batch, _outputs, dyTransposed, pitch, pitch);
            }

            // Block by block, so that the weights come from memory once: the input gradient reads them as they were in the forward pass, then they move.
            int block = MatrixKernels.BlockRows(_inputs, _outputs);
            for (int first = 0; first < _inputs; first += block)
            {
                int inputs = Math.Min(block, _inputs - first);
                nint row = (nint)first * _outputs;
                if (dx is not null) MatrixKernels.InputGradient(w + row, inputs, _outputs, dyTransposed, batch, pitch, part, dx + first, _inputs);
                MatrixKernels.WeightGradient(x + first, _inputs, batch, inputs, dy, _outputs, target + row, isStep);
            }
        }

        return isStep;
    }

    private static int Pitch(int batch) => (batch + 15) / 16 * 16;
}
