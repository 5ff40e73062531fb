using System.Numerics.Tensors;
using FedCore.Models;
using FedCore.Models.Layers;
using FedCore.Training.Tensors;

namespace FedCore.Training.Layers;

/// <summary>Rows of a table by their numbers, and a row for each place.</summary>
internal sealed unsafe class EmbeddingLayer : Layer
{
    private readonly int _vocabulary, _width, _tokens;
    private readonly bool _positions;

    // Of the tokens of a batch: number and place, sorted, so that equal ones stand together.
    private readonly long[] _sorted;
    private readonly float[] _sum;

    public EmbeddingLayer(EmbeddingSpec spec, Shape input, int capacity)
    {
        (_vocabulary, _width, _tokens, _positions) = (spec.Vocabulary, spec.Width, input[0], spec.Positions);
        _sorted = new long[checked(capacity * _tokens)];
        _sum = new float[_width];
    }

    public override bool NeedsOutput => false;

    private int TableLength => _vocabulary * _width;

    public override void Forward(in LayerPass pass, ReadOnlySpan<float> input, Span<float> output)
    {
        for (int place = 0; place < pass.Batch * _tokens; place++)
        {
            Span<float> target = output.Slice(place * _width, _width);
            ReadOnlySpan<float> row = pass.Parameters.Slice(Token(input[place]) * _width, _width);
            if (_positions) TensorPrimitives.Add(row, pass.Parameters.Slice(TableLength + place % _tokens * _width, _width), target);
            else row.CopyTo(target);
        }
    }

    public override bool Backward(
        in LayerPass pass, ReadOnlySpan<float> input, ReadOnlySpan<float> output, Span<float> outputGradient, Span<float> inputGradient)
    {
        Span<float> target = pass.IsStep ? pass.Parameters : pass.Gradients;
        if (!pass.IsStep) target[..TableLength].Clear();
        int together = pass.KeepsExamplesApart ? 1 : pass.Batch;
        for (int first = 0; first < pass.Batch; first += together)
        {
            Span<long> sorted = Sort(input, first, first + together);
            while (!sorted.IsEmpty)
            {
                // A sum of its own, as other layers form it, so that a step and a gradient with a step behind it round alike.
                int token = TakeSum(ref sorted, outputGradient);
                Span<float> row = target.Slice(token * _width, _width);
                TensorPrimitives.Add(row, _sum, row);
            }
        }

        if (_positions)
        {
            fixed (float* dy = outputGradient, positions = target[TableLength..])
                MatrixKernels.ColumnSums(dy, pass.Batch, _tokens * _width, positions, pass.IsStep);
        }

        Ignore(pass.Batch, inputGradient);
        return pass.IsStep;
    }

    public override void BackwardNorms(
        in LayerPass pass, ReadOnlySpan<float> input, ReadOnlySpan<float> output, Span<float> outputGradient, Span<float> inputGradient, Span<double> squaredNorms)
    {
        int size = _tokens * _width;
        for (int example = 0; example < pass.Batch; example++)
        {
            Span<long> sorted = Sort(input, example, example + 1);
            while (!sorted.IsEmpty)
            {
                TakeSum(ref sorted, outputGradient);
                squaredNorms[example] += RowSums.ExactSquares(_sum);
            }

            ReadOnlySpan<float> own = outputGradient.Slice(example * size, size);
            if (_positions) squaredNorms[example] += RowSums.ExactSquares(own);
        }

        Ignore(pass.Batch, inputGradient);
    }

    // Numbers of tokens are data and have no gradient.
    private void Ignore(int batch, Span<float> inputGradient)
    {
        if (!inputGradient.IsEmpty) inputGradient[..(batch * _tokens)].Clear();
    }

    // By number, and equal ones in the order of their places.
    private Span<long> Sort(ReadOnlySpan<float> input, int first, int end)
    {
        Span<long> sorted = _sorted.AsSpan(0, (end - first) * _tokens);
        for (int i = 0; i < sorted.Length; i++)
        {
            int place = first * _tokens + i;
            sorted[i] = ((long)Token(input[place]) << 32) | (uint)place;
        }

        sorted.Sort();
        return sorted;
    }

    // Sums the output gradients of the first token and of those like it.
    private int TakeSum(ref Span<long> sorted, ReadOnlySpan<float> outputGradient)
    {
        int token = (int)(sorted[0] >> 32), count = 0;
        Array.Clear(_sum);
        for (; count < sorted.Length && sorted[count] >> 32 == token; count++)
            TensorPrimitives.Add(_sum, outputGradient.Slice((int)sorted[count] * _width, _width), _sum);
        sorted = sorted[count..];
        return token;
    }

    // Examples are checked before training; this is for those that came another way.
    private int Token(float value) => value >= 0 && value < _vocabulary && value == MathF.Floor(value)
        ? (int)value
        : throw FedCoreException.Configuration(
            "data.token", $"A feature is {value}, but the model's embedding takes the whole numbers 0 to {_vocabulary - 1}. Correct the data, or set its vocabulary to a larger number.");
}
