using System.Numerics.Tensors;
using FedCore.Models;
using FedCore.Models.Layers;

namespace FedCore.Training.Layers.Normalization;

/// <summary>
/// Batch normalisation (Ioffe and Szegedy 2015, algorithms 1 and 2). In place of a running variance there are running means of x and of x², whose averages over clients
/// are those of all their batches together: the variance between clients is then part of E[x²] - E[x]².
/// </summary>
internal sealed class BatchNormLayer : Layer
{
    private readonly int _pixels, _channels;
    private readonly float _epsilon, _momentum;

    // Per channel: the mean, and one over the deviation; factors and addends of a pass; sums.
    private readonly float[] _means, _factors, _first, _second, _scaleGradient, _shiftGradient;

    public BatchNormLayer(BatchNormSpec spec, Shape input)
    {
        _channels = input[input.Rank - 1];
        _pixels = checked((int)(input.ElementCount / _channels));
        (_epsilon, _momentum) = ((float)spec.Epsilon, (float)spec.Momentum);
        (_means, _factors, _first, _second, _scaleGradient, _shiftGradient) = (New(), New(), New(), New(), New(), New());
        float[] New() => new float[_channels];
    }

    public override bool NeedsOutput => false;

    public override void Forward(in LayerPass pass, ReadOnlySpan<float> input, Span<float> output)
    {
        ReadOnlySpan<float> scale = pass.Parameters[.._channels], shift = pass.Parameters[_channels..];
        if (pass.IsTraining) Measure(input, pass.Batch * _pixels, pass.Buffers);
        else Recall(pass.Buffers);
        TensorPrimitives.Multiply(scale, _factors, _first);
        for (int row = 0; row < pass.Batch * _pixels; row++)
        {
            // The mean first: where it is large, the difference is small and exact.
            Span<float> y = output.Slice(row * _channels, _channels);
            TensorPrimitives.Subtract(input.Slice(row * _channels, _channels), _means, y);
            TensorPrimitives.FusedMultiplyAdd(y, _first, shift, y);
        }
    }

    // With z the normalised value and means over the batch: dx = (scale dy - mean(scale dy) - z mean(scale dy z)) / deviation.
    public override bool Backward(
        in LayerPass pass, ReadOnlySpan<float> input, ReadOnlySpan<float> output, Span<float> outputGradient, Span<float> inputGradient)
    {
        int rows = pass.Batch * _pixels;
        ChannelSums.Run(outputGradient, outputGradient, rows, _channels, default(PlainTerm), _shiftGradient);
        ChannelSums.Run(input, outputGradient, rows, _channels, new GradientTerm(_means, _factors), _scaleGradient);
        if (!inputGradient.IsEmpty)
        {
            TensorPrimitives.Multiply(pass.Parameters[.._channels], _factors, _first);
            TensorPrimitives.Multiply(_scaleGradient, _factors, _second);
            for (int row = 0; row < rows; row++)
            {
                Span<float> dx = inputGradient.Slice(row * _channels, _channels);
                TensorPrimitives.Subtract(input.Slice(row * _channels, _channels), _means, dx);
                TensorPrimitives.FusedMultiplyAdd(dx, _second, _shiftGradient, dx);
                TensorPrimitives.Multiply(dx, -1f / rows, dx);
                TensorPrimitives.Add(dx, outputGradient.Slice(row * _channels, _channels), dx);
                TensorPrimitives.Multiply(dx, _first, dx);
            }
        }

        return GroupNormLayer.Store(pass, _scaleGradient, _shiftGradient);
    }

    public override void BackwardNorms(
        in LayerPass pass, ReadOnlySpan<float> input, ReadOnlySpan<float> output, Span<float> outputGradient, Span<float> inputGradient, Span<double> squaredNorms) =>
        throw FedCoreException.Configuration("privacy.composition", "With batch normalisation an example's gradient depends on the others of its batch. Use group or layer normalisation.");

    // Means and variances of the batch, which move the running means.
    private void Measure(ReadOnlySpan<float> x, int rows, Span<float> buffers)
    {
        ChannelSums.Run(x, x, rows, _channels, default(PlainTerm), _means);
        TensorPrimitives.Multiply(_means, 1f / rows, _means);
        ChannelSums.Run(x, x, rows, _channels, new SquareTerm(_means), _factors);
        for (int channel = 0; channel < _channels; channel++)
        {
            float mean = _means[channel], variance = _factors[channel] / rows;
            ref float running = ref buffers[channel], runningSquare = ref buffers[_channels + channel];
            running += _momentum * (mean - running);
            runningSquare += _momentum * (variance + mean * mean - runningSquare);
            _factors[channel] = 1 / MathF.Sqrt(variance + _epsilon);
        }
    }

    private void Recall(ReadOnlySpan<float> buffers)
    {
        for (int channel = 0; channel < _channels; channel++)
        {
            float mean = buffers[channel], variance = MathF.Max(0, buffers[_channels + channel] - mean * mean);
            (_means[channel], _factors[channel]) = (mean, 1 / MathF.Sqrt(variance + _epsilon));
        }
    }
}
