using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using FedCore.Models;
using FedCore.Models.Layers;

namespace FedCore.Training.Layers;

/// <summary>What a pooling layer does with the pixels of a window, for 16 channels at once.</summary>
internal interface IPooling
{
    /// <summary>Whether the gradient depends on the output.</summary>
    static abstract bool NeedsOutput { get; }

    /// <summary>Takes one more pixel into the output.</summary>
    static abstract Vector512<float> Gather(Vector512<float> sum, Vector512<float> x);

    /// <summary>Ends the output of a window.</summary>
    static abstract Vector512<float> Finish(Vector512<float> sum, float pixels);

    /// <summary>The gradient of one pixel. What it takes for good is removed from <paramref name="dy"/>.</summary>
    static abstract Vector512<float> Scatter(Vector512<float> x, Vector512<float> y, float pixels, ref Vector512<float> dy);
}

/// <summary>Slides a window over images of height x width x channels. Channels lie side by side, so 16 of them are worked on at once.</summary>
internal sealed unsafe class Pool2dLayer<TPooling> : Layer
    where TPooling : struct, IPooling
{
    private const int Lanes = 16;

    private readonly int _height, _width, _channels, _outHeight, _outWidth, _step;
    private readonly bool _overlaps, _covers;

    // From a window's first pixel to each of its pixels.
    private readonly int[] _places;

    public Pool2dLayer(Pool2dSpec spec, Shape input, Shape output)
    {
        (_height, _width, _channels) = (input[0], input[1], input[2]);
        (_outHeight, _outWidth, _step) = (output[0], output[1], spec.EffectiveStride);
        int size = spec.Size;
        _overlaps = _step < size;
        _covers = _step == size && _outHeight * size == _height && _outWidth * size == _width;
        _places = [.. Enumerable.Range(0, size * size).Select(place => (place / size * _width + place % size) * _channels)];
    }

    public override bool NeedsOutput => TPooling.NeedsOutput;

    public override void Forward(in LayerPass pass, ReadOnlySpan<float> input, Span<float> output)
    {
        fixed (float* x = input, y = output)
        {
            for (int o = 0; o < pass.Batch * _outHeight * _outWidth; o++)
            {
                float* window = x + Window(o), target = y + (nint)o * _channels;
                for (int channel = 0; channel < _channels; channel += Lanes)
                {
                    int count = _channels - channel;
                    Vector512<float> sum = Vector512.Load(window + channel);
                    for (int place = 1; place < _places.Length; place++) sum = TPooling.Gather(sum, Vector512.Load(window + _places[place] + channel));
                    Store(target + channel, TPooling.Finish(sum, _places.Length), count);
                }
            }
        }
    }

    public override bool Backward(
        in LayerPass pass, ReadOnlySpan<float> input, ReadOnlySpan<float> output, Span<float> outputGradient, Span<float> inputGradient)
    {
        if (inputGradient.IsEmpty) return false;

        // Windows side by side write every pixel's gradient.
        if (!_covers) inputGradient[..(pass.Batch * _height * _width * _channels)].Clear();
        fixed (float* x = input, y = output, dy = outputGradient, dx = inputGradient)
        {
            for (int o = 0; o < pass.Batch * _outHeight * _outWidth; o++)
            {
                nint first = Window(o), from = (nint)o * _channels;
                for (int channel = 0; channel < _channels; channel += Lanes)
                {
                    int count = _channels - channel;
                    Vector512<float> pooled = Vector512.Load(y + from + channel), left = Vector512.Load(dy + from + channel);
                    foreach (int place in _places)
                    {
                        nint pixel = first + place + channel;
                        Vector512<float> gradient = TPooling.Scatter(Vector512.Load(x + pixel), pooled, _places.Length, ref left);
                        if (_overlaps) gradient += Vector512.Load(dx + pixel);
                        Store(dx + pixel, gradient, count);
                    }
                }
            }
        }

        return false;
    }

    // The first pixel of an output's window.
    private nint Window(int output)
    {
        int column = output % _outWidth, row = output / _outWidth % _outHeight, image = output / (_outWidth * _outHeight);
        return (((nint)image * _height + row * _step) * _width + column * _step) * _channels;
    }

    // Behind the last channel a register reaches into the next pixel: those lanes are computed in vain, and not stored.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(float* target, Vector512<float> value, int count)
    {
        if (count >= Lanes)
        {
            value.Store(target);
            return;
        }

        for (int lane = 0; lane < count; lane++) target[lane] = value[lane];
    }
}

/// <summary>The largest value of each window; among equals the first, row by row, gets the gradient, as in PyTorch. What is not a number stays so.</summary>
internal readonly struct MaxPooling : IPooling
{
    public static bool NeedsOutput => true;

    public static Vector512<float> Gather(Vector512<float> sum, Vector512<float> x) =>
        Vector512.ConditionalSelect(Vector512.GreaterThan(x, sum) | ~Vector512.Equals(x, x), x, sum);

    public static Vector512<float> Finish(Vector512<float> sum, float pixels) => sum;

    public static Vector512<float> Scatter(Vector512<float> x, Vector512<float> y, float pixels, ref Vector512<float> dy)
    {
        Vector512<float> isLargest = Vector512.Equals(x, y), gradient = dy & isLargest;
        dy = Vector512.AndNot(dy, isLargest);
        return gradient;
    }
}

/// <summary>The largest value of each window of max(x, 0), which is max(the largest value, 0) but for the sign of a zero.</summary>
internal readonly struct RectifiedMaxPooling : IPooling
{
    public static bool NeedsOutput => true;

    public static Vector512<float> Gather(Vector512<float> sum, Vector512<float> x) => MaxPooling.Gather(sum, x);

    public static Vector512<float> Finish(Vector512<float> sum, float pixels) => ReluLayer.Rectify(sum);

    public static Vector512<float> Scatter(Vector512<float> x, Vector512<float> y, float pixels, ref Vector512<float> dy)
    {
        dy &= Vector512.GreaterThan(y, Vector512<float>.Zero);
        return MaxPooling.Scatter(x, y, pixels, ref dy);
    }
}

/// <summary>The mean of each window.</summary>
internal readonly struct AveragePooling : IPooling
{
    public static bool NeedsOutput => false;

    public static Vector512<float> Gather(Vector512<float> sum, Vector512<float> x) => sum + x;

    public static Vector512<float> Finish(Vector512<float> sum, float pixels) => sum * (1 / pixels);

    public static Vector512<float> Scatter(Vector512<float> x, Vector512<float> y, float pixels, ref Vector512<float> dy) => dy * (1 / pixels);
}
