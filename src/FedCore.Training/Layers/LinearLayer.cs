using FedCore.Models;
using FedCore.Models.Layers;
using FedCore.Training.Tensors;

namespace FedCore.Training.Layers;

/// <summary><c>y = x K + b</c>, for each token where the input is a sequence: the kernels then see the tokens of all examples as rows.</summary>
internal sealed unsafe class LinearLayer : Layer
{
    private readonly int _tokens;
    private readonly int _inputs;
    private readonly int _outputs;
    private readonly bool _bias;

    public LinearLayer(LinearSpec spec, Shape input)
    {
        _inputs = input[input.Rank - 1];
        _tokens = checked((int)(input.ElementCount / _inputs));
        _outputs = spec.Outputs;
        _bias = spec.Bias;
    }

    public override bool NeedsOutput => false;

    public override void Forward(in LayerPass pass, ReadOnlySpan<float> input, Span<float> output)
    {
        fixed (float* x = input, y = output, w = pass.Parameters)
            MatrixKernels.Forward(x, pass.Batch * _tokens, _inputs, w, _outputs, _bias ? w + (nint)_inputs * _outputs : null, y);
    }

    public override bool Backward(
        in LayerPass pass, ReadOnlySpan<float> input, ReadOnlySpan<float> output, Span<float> outputGradient, Span<float> inputGradient)
    {
        bool isStep = pass.IsStep;
        fixed (float* x = input, dy = outputGradient, dx = inputGradient, w = pass.Parameters, dw = pass.Gradients)
        {
            float* target = isStep ? w : dw, bias = _bias ? target + (nint)_inputs * _outputs : null;
            DenseProducts.Backward(x, pass.Batch * _tokens, _inputs, w, _outputs, dy, dx, target, bias, isStep, pass.KeepsExamplesApart ? _tokens : 0);
        }

        return isStep;
    }

    public override void BackwardNorms(
        in LayerPass pass, ReadOnlySpan<float> input, ReadOnlySpan<float> output, Span<float> outputGradient, Span<float> inputGradient, Span<double> squaredNorms)
    {
        fixed (float* x = input, dy = outputGradient, dx = inputGradient, w = pass.Parameters)
        {
            for (int example = 0; example < pass.Batch; example++)
            {
                nint row = (nint)example * _tokens;
                squaredNorms[example] += GhostNorms.OfProduct(x + row * _inputs, _inputs, dy + row * _outputs, _outputs, _tokens, _inputs, _outputs);
                if (_bias) squaredNorms[example] += GhostNorms.OfSum(dy + row * _outputs, _outputs, _tokens, _outputs);
            }

            if (dx is not null) DenseProducts.InputGradient(w, _inputs, _outputs, dy, pass.Batch * _tokens, dx);
        }
    }
}
