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
        bool isStep = pass.Step != 0;
        fixed (float* x = input, dy = outputGradient, dx = inputGradient, w = pass.Parameters, dw = pass.Gradients)
        {
            // The input gradient needs the weights as they were in the forward pass.
            if (dx is not null) InputGradient(pass.Batch, w, dy, dx);
            float* target = isStep ? w : dw;
            MatrixKernels.WeightGradient(x, pass.Batch, _inputs, dy, _outputs, target, isStep, pass.Step);
            if (_bias) MatrixKernels.ColumnSums(dy, pass.Batch, _outputs, target + (nint)_inputs * _outputs, isStep, pass.Step);
        }

        return isStep;
    }

    protected override void Dispose(bool disposing)
    {
        _transposedInput.Dispose();
        _transposedOutput.Dispose();
        base.Dispose(disposing);
    }

    private void InputGradient(int batch, float* w, float* dy, float* dx)
    {
        int pitch = Pitch(batch);
        float* dyTransposed = _transposedOutput.Pointer, dxTransposed = _transposedInput.Pointer;
        Transpose.Run(dy, _outputs, batch, _outputs, dyTransposed, pitch);
        MatrixKernels.InputGradient(w, _inputs, _outputs, dyTransposed, batch, pitch, dxTransposed);
        Transpose.Run(dxTransposed, pitch, _inputs, batch, dx, _inputs);
    }

    private static int Pitch(int batch) => (batch + 15) / 16 * 16;
}
