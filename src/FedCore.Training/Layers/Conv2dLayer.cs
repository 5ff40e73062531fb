using System.Runtime.CompilerServices;
using FedCore.Models;
using FedCore.Models.Layers;
using FedCore.Numerics;
using FedCore.Training.Tensors;

namespace FedCore.Training.Layers;

/// <summary>
/// Direct convolution over images of height x width x channels: no image is unrolled. For a fixed kernel row the inputs of one output pixel, and the
/// kernel's rows, lie side by side, so a row of output pixels is a product of a strided matrix with the kernel, in as many segments as the kernel has rows.
/// </summary>
internal sealed unsafe class Conv2dLayer : Layer
{
    private readonly int _height, _width, _channels, _outHeight, _outWidth, _outChannels;
    private readonly int _kernel, _stride, _padding;
    private readonly bool _bias;
    private readonly bool _needsInputGradient;

    // The input with its border of zeros.
    private readonly int _paddedHeight, _paddedWidth;
    private readonly FlatVector? _padded;

    // For the input gradient: the output gradient, spread out by the stride and with a border of zeros, and the kernel turned round.
    private readonly int _border, _spreadHeight, _spreadWidth;
    private readonly FlatVector? _spread;
    private readonly FlatVector? _turned;

    public Conv2dLayer(Conv2dSpec spec, Shape input, Shape output, int capacity, bool needsInputGradient)
    {
        (_height, _width, _channels) = (input[0], input[1], input[2]);
        (_outHeight, _outWidth, _outChannels) = (output[0], output[1], output[2]);
        (_kernel, _stride, _padding, _bias) = (spec.Kernel, spec.Stride, spec.Padding, spec.Bias);
        _needsInputGradient = needsInputGradient;
        (_paddedHeight, _paddedWidth) = (_height + 2 * _padding, _width + 2 * _padding);
        if (_padding > 0) _padded = new FlatVector((long)capacity * _paddedHeight * _paddedWidth * _channels);
        if (!needsInputGradient) return;

        // Input pixel i gets a gradient from outputs o with i + padding - kernel < o stride <= i + padding: a convolution with the turned kernel over
        // the spread gradient, which needs a border of kernel - 1 - padding in front and whatever is left behind.
        _border = _kernel - 1 - _padding;
        (_spreadHeight, _spreadWidth) = (_height + _kernel - 1, _width + _kernel - 1);
        _spread = new FlatVector((long)capacity * _spreadHeight * _spreadWidth * _outChannels);
        _turned = new FlatVector((long)_kernel * _kernel * (_channels + 3) * (_outChannels + 3));
    }

    public override bool NeedsOutput => false;

    private nint KernelLength => (nint)_kernel * _kernel * _channels * _outChannels;

    public override void Forward(in LayerPass pass, ReadOnlySpan<float> input, Span<float> output)
    {
        fixed (float* x = input, y = output, w = pass.Parameters)
        {
            float* padded = Pad(x, pass.Batch);
            float* bias = _bias ? w + KernelLength : null;
            Convolve(padded, pass.Batch, _paddedHeight, _paddedWidth, _channels, _stride, w, bias, y, _outHeight, _outWidth, _outChannels);
        }
    }

    public override bool Backward(
        in LayerPass pass, ReadOnlySpan<float> input, ReadOnlySpan<float> output, Span<float> outputGradient, Span<float> inputGradient)
    {
        fixed (float* x = input, dy = outputGradient, dx = inputGradient, w = pass.Parameters, dw = pass.Gradients)
        {
            if (dx is not null && _needsInputGradient)
            {
                Spread(dy, pass.Batch);
                Turn(w);
                Convolve(
                    _spread!.Pointer, pass.Batch, _spreadHeight, _spreadWidth, _outChannels, 1, _turned!.Pointer, null, dx, _height, _width, _channels);
            }

            float* padded = _padded is null ? x : _padded.Pointer;
            WeightGradient(padded, pass.Batch, dy, dw);
            if (_bias) MatrixKernels.ColumnSums(dy, pass.Batch * _outHeight * _outWidth, _outChannels, dw + KernelLength, isStep: false, 0);
        }

        return false;
    }

    protected override void Dispose(bool disposing)
    {
        _padded?.Dispose();
        _spread?.Dispose();
        _turned?.Dispose();
        base.Dispose(disposing);
    }

    // y[n, r, c, :] = bias + Σ over kernel rows and (kernel columns x channels) of x[n, r stride + i, c stride + j, :] w[i, j, :, :].
    private void Convolve(
        float* x, int batch, int height, int width, int channels, int stride, float* w, float* bias, float* y, int outHeight, int outWidth, int outChannels)
    {
        nint pitch = (nint)width * channels;
        int depth = _kernel * channels;
        for (int image = 0; image < batch; image++)
        {
            for (int row = 0; row < outHeight; row++)
            {
                var work = new TileWork
                {
                    A = x + (image * height + row * stride) * pitch,
                    ARow = stride * channels,
                    AStep = 1,
                    ASegment = pitch - depth,
                    B = w,
                    BStep = outChannels,
                    C = y + ((nint)image * outHeight + row) * outWidth * outChannels,
                    CRow = outChannels,
                    Depth = depth,
                    Segments = _kernel,
                    Bias = bias,
                    Mode = bias is null ? TileMode.FromZero : TileMode.FromBias,
                };
                TileGrid.Run(work, outWidth, outChannels);
            }
        }
    }

    // dw[i, (j, channel), :] = Σ over images, rows and columns of x[n, r stride + i, c stride + j, channel] dy[n, r, c, :].
    private void WeightGradient(float* padded, int batch, float* dy, float* dw)
    {
        nint pitch = (nint)_paddedWidth * _channels;
        int rows = _kernel * _channels;
        for (int image = 0; image < batch; image++)
        {
            for (int kernelRow = 0; kernelRow < _kernel; kernelRow++)
            {
                var work = new TileWork
                {
                    A = padded + (image * _paddedHeight + kernelRow) * pitch,
                    ARow = 1,
                    AStep = _stride * _channels,
                    ASegment = _stride * (pitch - (nint)_outWidth * _channels),
                    B = dy + (nint)image * _outHeight * _outWidth * _outChannels,
                    BStep = _outChannels,
                    C = dw + (nint)kernelRow * rows * _outChannels,
                    CRow = _outChannels,
                    Depth = _outWidth,
                    Segments = _outHeight,
                    Mode = image == 0 ? TileMode.FromZero : TileMode.FromC,
                };
                TileGrid.Run(work, rows, _outChannels);
            }
        }
    }

    private float* Pad(float* x, int batch)
    {
        if (_padded is null) return x;
        nint rowLength = (nint)_width * _channels;
        for (int image = 0; image < batch; image++)
        {
            for (int row = 0; row < _height; row++)
            {
                float* target = _padded.Pointer + (((nint)image * _paddedHeight + row + _padding) * _paddedWidth + _padding) * _channels;
                Copy(x + ((nint)image * _height + row) * rowLength, target, rowLength);
            }
        }

        return _padded.Pointer;
    }

    // Only the places of outputs are ever written, so the zeros between and around them stay.
    private void Spread(float* dy, int batch)
    {
        for (int image = 0; image < batch; image++)
        {
            for (int row = 0; row < _outHeight; row++)
            {
                float* source = dy + ((nint)image * _outHeight + row) * _outWidth * _outChannels;
                float* target = _spread!.Pointer
                    + (((nint)image * _spreadHeight + row * _stride + _border) * _spreadWidth + _border) * _outChannels;
                if (_stride == 1)
                {
                    Copy(source, target, (nint)_outWidth * _outChannels);
                    continue;
                }

                for (int column = 0; column < _outWidth; column++)
                    Copy(source + (nint)column * _outChannels, target + (nint)column * _stride * _outChannels, _outChannels);
            }
        }
    }

    // turned[i, j, out, in] = w[kernel - 1 - i, kernel - 1 - j, in, out].
    private void Turn(float* w)
    {
        int last = _kernel * _kernel - 1;
        nint block = (nint)_channels * _outChannels;

        // Blocks are written in order, each a little beyond its end where a size is no multiple of 4; the next one overwrites that.
        for (int place = 0; place <= last; place++)
            Transpose.Run(w + (last - place) * block, _outChannels, _channels, _outChannels, _turned!.Pointer + place * block, _channels);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Copy(float* source, float* target, nint count) =>
        Buffer.MemoryCopy(source, target, count * sizeof(float), count * sizeof(float));
}
