using System.Numerics.Tensors;
using System.Runtime.Intrinsics;
using FedCore.Models;
using FedCore.Models.Layers;

namespace FedCore.Training.Layers;

/// <summary>What the pooling layers share: the walk over windows. Channels lie side by side, so each step works on all of them.</summary>
internal abstract class Pool2dLayer : Layer
{
    private readonly int _height, _width, _outHeight, _outWidth, _size, _step;

    protected Pool2dLayer(Pool2dSpec spec, Shape input, Shape output)
    {
        (_height, _width, Channels) = (input[0], input[1], input[2]);
        (_outHeight, _outWidth) = (output[0], output[1]);
        (_size, _step) = (spec.Size, spec.EffectiveStride);
    }

    protected int Channels { get; }

    /// <summary>Pixels in a window.</summary>
    protected int WindowLength => _size * _size;

    public override void Forward(in LayerPass pass, ReadOnlySpan<float> input, Span<float> output)
    {
        int outputs = pass.Batch * _outHeight * _outWidth;
        for (int o = 0; o < outputs; o++)
        {
            Span<float> y = output.Slice(o * Channels, Channels);
            for (int place = 0; place < WindowLength; place++) Gather(place, input.Slice(Source(o, place), Channels), y);
        }
    }

    public override bool Backward(
        in LayerPass pass, ReadOnlySpan<float> input, ReadOnlySpan<float> output, Span<float> outputGradient, Span<float> inputGradient)
    {
        if (inputGradient.IsEmpty) return false;
        inputGradient[..(pass.Batch * _height * _width * Channels)].Clear();
        int outputs = pass.Batch * _outHeight * _outWidth;
        for (int o = 0; o < outputs; o++)
        {
            ReadOnlySpan<float> y = output.Slice(o * Channels, Channels);
            Span<float> dy = outputGradient.Slice(o * Channels, Channels);
            for (int place = 0; place < WindowLength; place++)
            {
                int source = Source(o, place);
                Scatter(input.Slice(source, Channels), y, dy, inputGradient.Slice(source, Channels));
            }
        }

        return false;
    }

    /// <summary>Takes one pixel of a window into the output.</summary>
    protected abstract void Gather(int place, ReadOnlySpan<float> x, Span<float> y);

    /// <summary>Gives one pixel of a window its share of the gradient. What is taken for good is removed from <paramref name="dy"/>.</summary>
    protected abstract void Scatter(ReadOnlySpan<float> x, ReadOnlySpan<float> y, Span<float> dy, Span<float> dx);

    private int Source(int output, int place)
    {
        int column = output % _outWidth, row = output / _outWidth % _outHeight, image = output / (_outWidth * _outHeight);
        return ((image * _height + row * _step + place / _size) * _width + column * _step + place % _size) * Channels;
    }
}

/// <summary>The largest value of each window; among equals the first, row by row, gets the gradient, as in PyTorch.</summary>
internal sealed class MaxPool2dLayer(MaxPool2dSpec spec, Shape input, Shape output) : Pool2dLayer(spec, input, output)
{
    protected override void Gather(int place, ReadOnlySpan<float> x, Span<float> y)
    {
        if (place == 0) x.CopyTo(y);
        else TensorPrimitives.Max(x, y, y);
    }

    protected override void Scatter(ReadOnlySpan<float> x, ReadOnlySpan<float> y, Span<float> dy, Span<float> dx)
    {
        int i = 0;
        for (; i + Vector512<float>.Count <= x.Length; i += Vector512<float>.Count)
        {
            Vector512<float> isLargest = Vector512.Equals(Vector512.Create(x[i..]), Vector512.Create(y[i..]));
            Vector512<float> gradient = Vector512.Create<float>(dy[i..]);
            (Vector512.Create<float>(dx[i..]) + (gradient & isLargest)).CopyTo(dx[i..]);
            Vector512.AndNot(gradient, isLargest).CopyTo(dy[i..]);
        }

        for (; i < x.Length; i++)
        {
            if (x[i] != y[i]) continue;
            dx[i] += dy[i];
            dy[i] = 0;
        }
    }
}

/// <summary>The mean of each window.</summary>
internal sealed class AveragePool2dLayer(AveragePool2dSpec spec, Shape input, Shape output) : Pool2dLayer(spec, input, output)
{
    public override bool NeedsOutput => false;

    protected override void Gather(int place, ReadOnlySpan<float> x, Span<float> y)
    {
        if (place == 0) x.CopyTo(y);
        else TensorPrimitives.Add(x, y, y);
        if (place == WindowLength - 1) TensorPrimitives.Multiply(y, 1f / WindowLength, y);
    }

    protected override void Scatter(ReadOnlySpan<float> x, ReadOnlySpan<float> y, Span<float> dy, Span<float> dx) =>
        TensorPrimitives.MultiplyAdd(dy, 1f / WindowLength, dx, dx);
}
