using System.Numerics.Tensors;
using FedCore.Models;
using FedCore.Models.Layers;
using FedCore.Training.Tensors;

namespace FedCore.Training.Layers.Normalization;

/// <summary>Group normalisation over the pixels of one example (Wu and He 2018, equations 1 to 3).</summary>
internal sealed class GroupNormLayer : Layer
{
    private readonly int _pixels, _channels, _groups;
    private readonly float _epsilon;

    // Of each example and channel: the mean of its group, and one over the deviation.
    private readonly float[] _means, _factors;

    // Per channel: sums of one example, and of the batch.
    private readonly float[] _sums, _scaleSums, _shiftSums, _scaleGradient, _shiftGradient, _first, _second;

    public GroupNormLayer(GroupNormSpec spec, Shape input, int capacity)
    {
        _channels = input[input.Rank - 1];
        _pixels = checked((int)(input.ElementCount / _channels));
        (_groups, _epsilon) = (spec.Groups, (float)spec.Epsilon);
        _means = new float[checked(capacity * _channels)];
        _factors = new float[_means.Length];
        (_sums, _scaleSums, _shiftSums, _scaleGradient, _shiftGradient, _first, _second) = (New(), New(), New(), New(), New(), New(), New());
        float[] New() => new float[_channels];
    }

    private int Size => _pixels * _channels;

    private int GroupSize => _channels / _groups;

    public override bool NeedsOutput => false;

    public override void Forward(in LayerPass pass, ReadOnlySpan<float> input, Span<float> output)
    {
        ReadOnlySpan<float> scale = pass.Parameters[.._channels], shift = pass.Parameters[_channels..];
        for (int example = 0; example < pass.Batch; example++)
        {
            ReadOnlySpan<float> x = input.Slice(example * Size, Size);
            Span<float> means = MeansOf(example), factors = FactorsOf(example);
            ChannelSums.Run(x, x, _pixels, _channels, default(PlainTerm), _sums);
            Spread(_sums, means);
            ChannelSums.Run(x, x, _pixels, _channels, new SquareTerm(means), _sums);
            Spread(_sums, factors);
            foreach (ref float factor in factors) factor = 1 / MathF.Sqrt(factor + _epsilon);
            TensorPrimitives.Multiply(scale, factors, _first);
            for (int pixel = 0; pixel < _pixels; pixel++)
            {
                // The mean first: where it is large, the difference is small and exact.
                Span<float> y = output.Slice(example * Size + pixel * _channels, _channels);
                TensorPrimitives.Subtract(x.Slice(pixel * _channels, _channels), means, y);
                TensorPrimitives.FusedMultiplyAdd(y, _first, shift, y);
            }
        }
    }

    public override bool Backward(
        in LayerPass pass, ReadOnlySpan<float> input, ReadOnlySpan<float> output, Span<float> outputGradient, Span<float> inputGradient)
    {
        Span<float> scale = pass.Parameters[.._channels];
        Array.Clear(_scaleGradient);
        Array.Clear(_shiftGradient);
        for (int example = 0; example < pass.Batch; example++)
        {
            ReadOnlySpan<float> x = input.Slice(example * Size, Size), dy = outputGradient.Slice(example * Size, Size);
            SumExample(example, x, dy);
            TensorPrimitives.Add(_scaleGradient, _scaleSums, _scaleGradient);
            TensorPrimitives.Add(_shiftGradient, _shiftSums, _shiftGradient);
            if (!inputGradient.IsEmpty) Differentiate(example, scale, x, dy, inputGradient.Slice(example * Size, Size));
        }

        return Store(pass, _scaleGradient, _shiftGradient);
    }

    public override void BackwardNorms(
        in LayerPass pass, ReadOnlySpan<float> input, ReadOnlySpan<float> output, Span<float> outputGradient, Span<float> inputGradient, Span<double> squaredNorms)
    {
        for (int example = 0; example < pass.Batch; example++)
        {
            SumExample(example, input.Slice(example * Size, Size), outputGradient.Slice(example * Size, Size));
            squaredNorms[example] += RowSums.ExactSquares(_scaleSums) + RowSums.ExactSquares(_shiftSums);
        }

        if (!inputGradient.IsEmpty) Backward(pass, input, output, outputGradient, inputGradient);
    }

    /// <summary>Stores the gradients of scale and shift, or moves the parameters by them.</summary>
    internal static bool Store(in LayerPass pass, ReadOnlySpan<float> scale, ReadOnlySpan<float> shift)
    {
        int channels = scale.Length;
        if (pass.IsStep)
        {
            TensorPrimitives.Add(pass.Parameters[..channels], scale, pass.Parameters[..channels]);
            TensorPrimitives.Add(pass.Parameters[channels..], shift, pass.Parameters[channels..]);
            return true;
        }

        scale.CopyTo(pass.Gradients);
        shift.CopyTo(pass.Gradients[channels..]);
        return false;
    }

    private Span<float> MeansOf(int example) => _means.AsSpan(example * _channels, _channels);

    private Span<float> FactorsOf(int example) => _factors.AsSpan(example * _channels, _channels);

    private void SumExample(int example, ReadOnlySpan<float> x, ReadOnlySpan<float> dy)
    {
        ChannelSums.Run(dy, dy, _pixels, _channels, default(PlainTerm), _shiftSums);
        ChannelSums.Run(x, dy, _pixels, _channels, new GradientTerm(MeansOf(example), FactorsOf(example)), _scaleSums);
    }

    // With z the normalised value and means over the group: dx = (scale dy - mean(scale dy) - z mean(scale dy z)) / deviation.
    private void Differentiate(int example, ReadOnlySpan<float> scale, ReadOnlySpan<float> x, ReadOnlySpan<float> dy, Span<float> dx)
    {
        ReadOnlySpan<float> means = MeansOf(example), factors = FactorsOf(example);
        TensorPrimitives.Multiply(_shiftSums, scale, _sums);
        Spread(_sums, _first);
        TensorPrimitives.Multiply(_scaleSums, scale, _sums);
        Spread(_sums, _second);
        for (int channel = 0; channel < _channels; channel++)
        {
            _first[channel] *= -factors[channel];
            _second[channel] *= -factors[channel] * factors[channel];
            _sums[channel] = scale[channel] * factors[channel];
        }

        for (int pixel = 0; pixel < _pixels; pixel++)
        {
            Span<float> target = dx.Slice(pixel * _channels, _channels);
            TensorPrimitives.Subtract(x.Slice(pixel * _channels, _channels), means, target);
            TensorPrimitives.FusedMultiplyAdd(target, _second, _first, target);
            TensorPrimitives.FusedMultiplyAdd(dy.Slice(pixel * _channels, _channels), _sums, target, target);
        }
    }

    // The mean over each group of channels, for each of its channels.
    private void Spread(ReadOnlySpan<float> sums, Span<float> target)
    {
        for (int group = 0; group < _groups; group++)
        {
            float sum = 0;
            foreach (float value in sums.Slice(group * GroupSize, GroupSize)) sum += value;
            target.Slice(group * GroupSize, GroupSize).Fill(sum / (GroupSize * _pixels));
        }
    }
}
