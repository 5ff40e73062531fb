using System.Numerics.Tensors;
using FedCore.Models;
using FedCore.Models.Layers;
using FedCore.Training.Tensors;

namespace FedCore.Training.Layers.Normalization;

/// <summary>Layer normalisation of each row of the last extent (Ba et al. 2016, equation 3).</summary>
internal sealed class LayerNormLayer : Layer
{
    private readonly int _rows, _width;
    private readonly float _epsilon;

    // Of each row of the batch: its mean, and one over its deviation.
    private readonly float[] _means, _factors;
    private readonly float[] _normal, _scaled;

    // Sums of one example, and of the batch.
    private readonly float[] _scaleSums, _shiftSums, _scaleGradient, _shiftGradient;

    public LayerNormLayer(LayerNormSpec spec, Shape input, int capacity)
    {
        _width = input[input.Rank - 1];
        _rows = checked((int)(input.ElementCount / _width));
        _epsilon = (float)spec.Epsilon;
        _means = new float[checked(capacity * _rows)];
        _factors = new float[_means.Length];
        (_normal, _scaled, _scaleSums, _shiftSums, _scaleGradient, _shiftGradient) = (New(), New(), New(), New(), New(), New());
        float[] New() => new float[_width];
    }

    public override bool NeedsOutput => false;

    public override void Forward(in LayerPass pass, ReadOnlySpan<float> input, Span<float> output)
    {
        ReadOnlySpan<float> scale = pass.Parameters[.._width], shift = pass.Parameters[_width..];
        for (int row = 0; row < pass.Batch * _rows; row++)
        {
            ReadOnlySpan<float> x = input.Slice(row * _width, _width);
            Span<float> y = output.Slice(row * _width, _width);
            float mean = RowSums.Plain(x) / _width, factor = 1 / MathF.Sqrt(RowSums.Squares(x, mean) / _width + _epsilon);
            (_means[row], _factors[row]) = (mean, factor);
            Normalize(x, row, y);
            TensorPrimitives.FusedMultiplyAdd(y, scale, shift, y);
        }
    }

    public override bool Backward(
        in LayerPass pass, ReadOnlySpan<float> input, ReadOnlySpan<float> output, Span<float> outputGradient, Span<float> inputGradient)
    {
        ReadOnlySpan<float> scale = pass.Parameters[.._width];
        Array.Clear(_scaleGradient);
        Array.Clear(_shiftGradient);
        for (int row = 0; row < pass.Batch * _rows; row++)
        {
            ReadOnlySpan<float> dy = outputGradient.Slice(row * _width, _width);
            AddRow(row, input, dy);
            if ((row + 1) % _rows == 0)
            {
                TensorPrimitives.Add(_scaleSums, _scaleGradient, _scaleGradient);
                TensorPrimitives.Add(_shiftSums, _shiftGradient, _shiftGradient);
            }

            if (inputGradient.IsEmpty) continue;

            // dx = (scale dy - mean(scale dy) - z mean(scale dy z)) / deviation, z the normalised row.
            TensorPrimitives.Multiply(dy, scale, _scaled);
            float factor = _factors[row], mean = RowSums.Plain(_scaled) / _width, slope = RowSums.Products(_scaled, _normal) / _width;
            Span<float> dx = inputGradient.Slice(row * _width, _width);
            TensorPrimitives.Subtract(_scaled, mean, dx);
            TensorPrimitives.FusedMultiplyAdd(_normal, -slope, dx, dx);
            TensorPrimitives.Multiply(dx, factor, dx);
        }

        return GroupNormLayer.Store(pass, _scaleGradient, _shiftGradient);
    }

    public override void BackwardNorms(
        in LayerPass pass, ReadOnlySpan<float> input, ReadOnlySpan<float> output, Span<float> outputGradient, Span<float> inputGradient, Span<double> squaredNorms)
    {
        for (int example = 0; example < pass.Batch; example++)
        {
            for (int row = example * _rows; row < (example + 1) * _rows; row++) AddRow(row, input, outputGradient.Slice(row * _width, _width));
            squaredNorms[example] += RowSums.ExactSquares(_scaleSums) + RowSums.ExactSquares(_shiftSums);
        }

        if (!inputGradient.IsEmpty) Backward(pass, input, output, outputGradient, inputGradient);
    }

    // To the sums of its example, which begin with its first row.
    private void AddRow(int row, ReadOnlySpan<float> input, ReadOnlySpan<float> dy)
    {
        if (row % _rows == 0)
        {
            Array.Clear(_scaleSums);
            Array.Clear(_shiftSums);
        }

        Normalize(input.Slice(row * _width, _width), row, _normal);
        TensorPrimitives.FusedMultiplyAdd(dy, _normal, _scaleSums, _scaleSums);
        TensorPrimitives.Add(_shiftSums, dy, _shiftSums);
    }

    private void Normalize(ReadOnlySpan<float> x, int row, Span<float> target)
    {
        TensorPrimitives.Subtract(x, _means[row], target);
        TensorPrimitives.Multiply(target, _factors[row], target);
    }
}
