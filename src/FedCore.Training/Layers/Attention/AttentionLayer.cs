using FedCore.Models.Layers;
using FedCore.Numerics;
using FedCore.Training.Engine;
using FedCore.Training.Tensors;

namespace FedCore.Training.Layers.Attention;

/// <summary>Multi-head self-attention: a projection to queries, keys and values, the heads, and a projection of their outputs.</summary>
internal sealed unsafe class AttentionLayer : Layer
{
    private readonly int _tokens, _width, _heads, _weightCount;
    private readonly bool _bias;
    private readonly AttentionHead _head;

    // Queries, keys and values side by side; the heads' outputs side by side; and the gradients of both.
    private readonly FlatVector _projected, _attended, _projectedGradient, _attendedGradient;

    // Each head's weights, for the largest batch that was trained on; evaluation, whose batches are larger, keeps none but the last head's.
    private FlatVector _weights = new(0);

    // For the norms of single examples' gradients, once somebody asks for them: a head's weights, which the way back overwrites.
    private FlatVector? _kept;

    public AttentionLayer(AttentionSpec spec, LayerSite site)
    {
        (_tokens, _width, _heads, _bias) = (site.Input[0], site.Input[1], spec.Heads, spec.Bias);
        _head = new AttentionHead(_tokens, Depth, Columns, _width, spec.Causal);
        long rows = (long)site.Capacity * _tokens + Transpose.ExtraRows;
        (_projected, _projectedGradient) = (new FlatVector(rows * Columns), new FlatVector(rows * Columns));
        (_attended, _attendedGradient) = (new FlatVector(rows * _width), new FlatVector(rows * _width));
        _weightCount = checked(_tokens * _tokens);
    }

    public override bool NeedsOutput => false;

    private int Columns => 3 * _width;

    private int Depth => _width / _heads;

    private nint ProjectionBias => (nint)_width * Columns;

    private nint Output => ProjectionBias + (_bias ? Columns : 0);

    private nint OutputBias => Output + (nint)_width * _width;

    public override void Forward(in LayerPass pass, ReadOnlySpan<float> input, Span<float> output)
    {
        int rows = pass.Batch * _tokens;
        long kept = _weightCount * (pass.IsTraining ? (long)pass.Batch * _heads : 1);
        if (_weights.Length < kept)
        {
            _weights.Dispose();
            _weights = new FlatVector(kept);
        }

        fixed (float* x = input, y = output, w = pass.Parameters)
        {
            MatrixKernels.Forward(x, rows, _width, w, Columns, _bias ? w + ProjectionBias : null, _projected.Pointer);
            for (int head = 0; head < pass.Batch * _heads; head++)
            {
                float* q = _projected.Pointer + Place(head, Columns);
                _head.Forward(q, q + _width, q + 2 * _width, WeightsOf(pass.IsTraining ? head : 0), _attended.Pointer + Place(head, _width));
            }

            MatrixKernels.Forward(_attended.Pointer, rows, _width, w + Output, _width, _bias ? w + OutputBias : null, y);
        }
    }

    public override bool Backward(
        in LayerPass pass, ReadOnlySpan<float> input, ReadOnlySpan<float> output, Span<float> outputGradient, Span<float> inputGradient)
    {
        int rows = pass.Batch * _tokens, apart = pass.KeepsExamplesApart ? _tokens : 0;
        fixed (float* x = input, dy = outputGradient, dx = inputGradient, w = pass.Parameters, dw = pass.Gradients)
        {
            float* target = pass.IsStep ? w : dw, attended = _attended.Pointer, dAttended = _attendedGradient.Pointer;
            DenseProducts.Backward(
                attended, rows, _width, w + Output, _width, dy, dAttended, target + Output, _bias ? target + OutputBias : null, pass.IsStep, apart);
            BackThroughHeads(pass.Batch, kept: null);
            DenseProducts.Backward(
                x, rows, _width, w, Columns, _projectedGradient.Pointer, dx, target, _bias ? target + ProjectionBias : null, pass.IsStep, apart);
        }

        return pass.IsStep;
    }

    public override void BackwardNorms(
        in LayerPass pass, ReadOnlySpan<float> input, ReadOnlySpan<float> output, Span<float> outputGradient, Span<float> inputGradient, Span<double> squaredNorms)
    {
        int rows = pass.Batch * _tokens;
        fixed (float* x = input, dy = outputGradient, dx = inputGradient, w = pass.Parameters)
        {
            float* dProjected = _projectedGradient.Pointer;
            DenseProducts.InputGradient(w + Output, _width, _width, dy, rows, _attendedGradient.Pointer);
            BackThroughHeads(pass.Batch, _kept ??= new FlatVector(_weightCount));
            for (int example = 0; example < pass.Batch; example++)
            {
                nint row = (nint)example * _tokens;
                squaredNorms[example] += GhostNorms.OfProduct(_attended.Pointer + row * _width, _width, dy + row * _width, _width, _tokens, _width, _width)
                    + GhostNorms.OfProduct(x + row * _width, _width, dProjected + row * Columns, Columns, _tokens, _width, Columns);
                if (!_bias) continue;
                squaredNorms[example] += GhostNorms.OfSum(dy + row * _width, _width, _tokens, _width) + GhostNorms.OfSum(dProjected + row * Columns, Columns, _tokens, Columns);
            }

            if (dx is not null) DenseProducts.InputGradient(w, _width, Columns, dProjected, rows, dx);
        }
    }

    protected override void Dispose(bool disposing)
    {
        foreach (FlatVector vector in (FlatVector[])[_projected, _attended, _weights, _projectedGradient, _attendedGradient]) vector.Dispose();
        _kept?.Dispose();
        base.Dispose(disposing);
    }

    private void BackThroughHeads(int batch, FlatVector? kept)
    {
        for (int head = 0; head < batch * _heads; head++)
        {
            nint place = Place(head, Columns);
            float* q = _projected.Pointer + place, dq = _projectedGradient.Pointer + place;
            var weights = new Span<float>(WeightsOf(head), _weightCount);
            if (kept is not null) weights.CopyTo(kept.AsSpan());
            _head.Backward(q, q + _width, q + 2 * _width, WeightsOf(head), _attendedGradient.Pointer + Place(head, _width), dq, dq + _width, dq + 2 * _width);
            if (kept is not null) kept.AsSpan().CopyTo(weights);
        }
    }

    // Where a head of an example begins among rows of a length; heads are counted example by example.
    private nint Place(int head, int length) => (nint)(head / _heads) * _tokens * length + head % _heads * Depth;

    private float* WeightsOf(int head) => _weights.Pointer + (nint)head * _weightCount;
}
