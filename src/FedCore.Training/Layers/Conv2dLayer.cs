using System.Runtime.CompilerServices;
using FedCore.Models;
using FedCore.Models.Layers;
using FedCore.Numerics;
using FedCore.Training.Tensors;

namespace FedCore.Training.Layers;

/// <summary>
/// Direct convolution over images of height x width x channels: no image is unrolled. The pixels at one place of several images are the rows of a product
/// of a strided matrix with the kernel, in as many segments as the kernel has rows inside the image. They share what part of the kernel lies inside, so
/// nothing is multiplied by the zeros around it.
/// </summary>
internal sealed unsafe class Conv2dLayer : Layer
{
    // With fewer channels the kernel's columns are rows of the weight gradient's product too.
    private const int FewChannels = 6;

    // With fewer images in a band the pixels of an image's row are the rows of the product.
    private static readonly int FewImages = Math.Min(6, TileGrid.TileRows - 1);

    private readonly Image _input, _output;
    private readonly int _kernel, _stride, _padding;
    private readonly bool _bias;

    // The input with zeros beside its rows, for few channels.
    private readonly Image _padded;
    private readonly FlatVector? _paddedInput;

    // For the input gradient: the output gradient, spread out by the stride, and the kernel turned round.
    private readonly Image _spread;
    private readonly FlatVector? _spreadGradient;
    private readonly FlatVector? _turned;

    // For the norms of single examples' gradients, once somebody asks for them: the patches of one image.
    private FlatVector? _patches;

    public Conv2dLayer(Conv2dSpec spec, Shape input, Shape output, int capacity, bool needsInputGradient)
    {
        _input = new Image(input[0], input[1], input[2]);
        _output = new Image(output[0], output[1], output[2]);
        (_kernel, _stride, _padding, _bias) = (spec.Kernel, spec.Stride, spec.Padding, spec.Bias);
        _padded = _input with { Width = _input.Width + 2 * _padding };
        if (_padding > 0 && _input.Channels < FewChannels) _paddedInput = new FlatVector(capacity * _padded.Length);
        if (!needsInputGradient) return;
        _spread = _output with { Height = (_output.Height - 1) * _stride + 1, Width = (_output.Width - 1) * _stride + 1 };
        if (_stride > 1) _spreadGradient = new FlatVector(capacity * _spread.Length);
        _turned = new FlatVector((long)_kernel * _kernel * (_input.Channels + 3) * (_output.Channels + 3));
    }

    public override bool NeedsOutput => false;

    private nint KernelLength => (nint)_kernel * _kernel * _input.Channels * _output.Channels;

    public override void Forward(in LayerPass pass, ReadOnlySpan<float> input, Span<float> output)
    {
        fixed (float* x = input, y = output, w = pass.Parameters)
            Convolve(x, _input, pass.Batch, _stride, _padding, w, _bias ? w + KernelLength : null, y, _output);
    }

    public override bool Backward(
        in LayerPass pass, ReadOnlySpan<float> input, ReadOnlySpan<float> output, Span<float> outputGradient, Span<float> inputGradient)
    {
        fixed (float* x = input, dy = outputGradient, dx = inputGradient, w = pass.Parameters, dw = pass.Gradients)
        {
            InputGradient(w, pass.Batch, dy, dx);
            bool apart = pass.KeepsExamplesApart;
            if (apart || !TrySparseWeightGradient(x, pass.Batch, dy, dw)) WeightGradient(x, pass.Batch, dy, dw, apart);
            int together = apart ? 1 : pass.Batch;
            for (int image = 0; _bias && image < pass.Batch; image += together)
                MatrixKernels.ColumnSums(dy + image * _output.Length, together * _output.Pixels, _output.Channels, dw + KernelLength, adds: image > 0);
        }

        return false;
    }

    public override void BackwardNorms(
        in LayerPass pass, ReadOnlySpan<float> input, ReadOnlySpan<float> output, Span<float> outputGradient, Span<float> inputGradient, Span<double> squaredNorms)
    {
        int length = checked(_kernel * _kernel * _input.Channels), outputs = _output.Channels;
        fixed (float* x = input, dy = outputGradient, dx = inputGradient, w = pass.Parameters)
        {
            InputGradient(w, pass.Batch, dy, dx);

            // With the patches that the kernel meets as rows, a convolution is a linear layer of each pixel.
            for (int image = 0; image < pass.Batch; image++)
            {
                float* own = dy + image * _output.Length;
                _patches ??= new FlatVector((long)_output.Pixels * length);
                Unfold(x + image * _input.Length, _patches.Pointer);
                squaredNorms[image] += GhostNorms.OfProduct(_patches.Pointer, length, own, outputs, _output.Pixels, length, outputs);
                if (_bias) squaredNorms[image] += GhostNorms.OfSum(own, outputs, _output.Pixels, outputs);
            }
        }
    }

    protected override void Dispose(bool disposing)
    {
        _patches?.Dispose();
        _paddedInput?.Dispose();
        _spreadGradient?.Dispose();
        _turned?.Dispose();
        base.Dispose(disposing);
    }

    private void InputGradient(float* w, int batch, float* dy, float* dx)
    {
        if (dx is null || _turned is null) return;

        // Input pixel i gets a gradient from outputs o with i + padding - kernel < o stride <= i + padding: a convolution with the turned
        // kernel over the spread gradient.
        Turn(w);
        Convolve(Spread(dy, batch), _spread, batch, 1, _kernel - 1 - _padding, _turned.Pointer, null, dx, _input);
    }

    // Only what lies inside the image is ever written, and for every image in the same places, so the zeros around it stay.
    private void Unfold(float* x, float* patches)
    {
        nint row = (nint)_kernel * _input.Channels;
        for (int pixel = 0; pixel < _output.Pixels; pixel++, patches += _kernel * row)
        {
            Overlap rows = Overlap.At(pixel / _output.Width, _stride, _padding, _kernel, _input.Height);
            Overlap columns = Overlap.At(pixel % _output.Width, _stride, _padding, _kernel, _input.Width);
            float* from = x + (nint)(rows.Input * _input.Width + columns.Input) * _input.Channels, to = patches + (rows.First * _kernel + columns.First) * _input.Channels;
            for (int i = 0; i < rows.Count; i++, from += _input.Width * _input.Channels, to += row) Copy(from, to, columns.Count * _input.Channels);
        }
    }

    // y[n, r, c, :] = bias + Σ over kernel rows, kernel columns and channels of x[n, r stride + i - padding, c stride + j - padding, :] w[i, j, :, :].
    private void Convolve(float* x, Image from, int batch, int stride, int padding, float* w, float* bias, float* y, Image to)
    {
        // Bands of images, so that a band's pixels stay in the cache.
        int bands = (batch + TileGrid.TileRows - 1) / TileGrid.TileRows;
        for (int band = 0, image = 0; band < bands; band++)
        {
            int images = (batch - image + bands - band - 1) / (bands - band);
            for (int row = 0; row < to.Height; row++)
            {
                Overlap rows = Overlap.At(row, stride, padding, _kernel, from.Height);
                for (int column = 0; column < to.Width;)
                {
                    Overlap columns = Overlap.At(column, stride, padding, _kernel, from.Width);
                    int width = 1;
                    if (images < FewImages)
                    {
                        while (column + width < to.Width && Overlap.At(column + width, stride, padding, _kernel, from.Width).MeetsTheSameAs(columns)) width++;
                    }

                    int pixel = row * to.Width + column;
                    var work = new TileWork
                    {
                        A = x + image * from.Length + (nint)(rows.Input * from.Width + columns.Input) * from.Channels,
                        ARow = width > 1 ? (nint)stride * from.Channels : from.Length,
                        AStep = 1,
                        ASegment = (nint)(from.Width - columns.Count) * from.Channels,
                        B = w + (nint)(rows.First * _kernel + columns.First) * from.Channels * to.Channels,
                        BStep = to.Channels,
                        BSegment = (nint)(_kernel - columns.Count) * from.Channels * to.Channels,
                        C = y + image * to.Length + (nint)pixel * to.Channels,
                        CRow = width > 1 ? to.Channels : to.Length,
                        Depth = columns.Count * from.Channels,
                        Segments = rows.Count,
                        Slack = width > 1 ? 0 : (nint)(to.Pixels - pixel - 1) * to.Channels,
                        Bias = bias,
                        Mode = bias is null ? TileMode.FromZero : TileMode.FromBias,
                    };
                    if (width == 1)
                    {
                        TileGrid.Run(work, images, to.Channels);
                    }
                    else
                    {
                        for (int i = 0; i < images; i++, work.A += from.Length, work.C += to.Length) TileGrid.Run(work, width, to.Channels);
                    }

                    column += width;
                }
            }

            image += images;
        }
    }

    // dw[i, j, channel, :] = Σ over images, rows and columns of x[n, r stride + i - padding, c stride + j - padding, channel] dy[n, r, c, :].
    private void WeightGradient(float* x, int batch, float* dy, float* dw, bool apart)
    {
        // The channels are the rows of the product, for each column of the kernel; or, where all columns meet the same outputs, all of them together.
        (Image from, int padding) = _paddedInput is null ? (_input, _padding) : (_padded, 0);
        if (_paddedInput is not null) x = Pad(x, batch);
        int together = padding > 0 ? 1 : _kernel;
        for (int image = 0; image < batch; image++)
        {
            for (int i = 0; i < _kernel; i++)
            {
                Overlap rows = Overlap.Over(i, _stride, _padding, _input.Height, _output.Height);
                for (int j = 0; j < _kernel; j += together)
                {
                    Overlap columns = padding > 0 ? Overlap.Over(j, _stride, padding, from.Width, _output.Width) : new Overlap(0, _output.Width, 0);
                    var work = new TileWork
                    {
                        A = x + image * from.Length + (nint)(rows.Input * from.Width + columns.Input) * from.Channels,
                        ARow = 1,
                        AStep = (nint)_stride * from.Channels,
                        ASegment = (nint)_stride * (from.Width - columns.Count) * from.Channels,
                        B = dy + image * _output.Length + (nint)(rows.First * _output.Width + columns.First) * _output.Channels,
                        BStep = _output.Channels,
                        BSegment = (nint)(_output.Width - columns.Count) * _output.Channels,
                        C = dw + (nint)(i * _kernel + j) * _input.Channels * _output.Channels,
                        CRow = _output.Channels,
                        Depth = columns.Count,
                        Segments = rows.Count,
                        Mode = image == 0 ? TileMode.FromZero : apart ? TileMode.AddToC : TileMode.FromC,
                    };
                    TileGrid.Run(work, together * _input.Channels, _output.Channels);
                }
            }
        }
    }

    // The same where most of dy is zero, as behind max pooling: dwᵀ[out, i, (j, channel)] = Σ over the outputs with dy[n, r, c, out] not zero of dy[n, r, c, out]
    // x[n, r + i - padding, c - padding + j, channel]. For one i the inputs of an output lie side by side, and with zeros beside the rows of x, and as
    // many beside those of dy, they begin at the same place as the output.
    private bool TrySparseWeightGradient(float* x, int batch, float* dy, float* dw)
    {
        int width = _padded.Width, together = SparseProduct.MaxDepth / width, length = _kernel * _input.Channels, outputs = _output.Channels;
        var all = new TileWork { A = dy, ARow = 1, AStep = outputs, BStep = _input.Channels, CRow = (nint)_kernel * length, Segments = 1, Mode = TileMode.FromC };
        all.Depth = batch * _output.Pixels;
        if (_stride > 1 || together == 0 || length % 4 > 0 || _turned is null || !SparseProduct.Suits(all, outputs, length)) return false;

        // The input gradient has been computed, and the turned kernel is no longer needed.
        float* sums = _turned.Pointer;
        new Span<float>(sums, (int)KernelLength).Clear();
        nint spreadLength = (nint)_output.Height * width * outputs;
        float* padded = Scratch.Panel(_padded.Length + spreadLength), spread = padded + _padded.Length;
        new Span<float>(padded, (int)(_padded.Length + spreadLength)).Clear();
        for (int image = 0; image < batch; image++)
        {
            CopyRows(x + image * _input.Length, _input.Width * _input.Channels, _input.Height, padded + _padding * _input.Channels, width * _input.Channels);
            CopyRows(dy + image * _output.Length, _output.Width * outputs, _output.Height, spread, width * outputs);
            for (int i = 0; i < _kernel; i++)
            {
                Overlap rows = Overlap.Over(i, _stride, _padding, _input.Height, _output.Height);
                for (int row = 0; row < rows.Count; row += together)
                {
                    TileWork work = all;
                    work.A = spread + (nint)(rows.First + row) * width * outputs;
                    work.B = padded + (nint)(rows.Input + row) * width * _input.Channels;
                    work.C = sums + i * length;
                    work.Depth = Math.Min(together, rows.Count - row) * width;
                    SparseProduct.Run(work, outputs, length);
                }
            }
        }

        Transpose.Run(sums, _kernel * length, outputs, _kernel * length, dw, outputs, outputs);
        return true;
    }

    private float* Pad(float* x, int batch)
    {
        int channels = _input.Channels;
        CopyRows(x, _input.Width * channels, batch * _input.Height, _paddedInput!.Pointer + _padding * channels, _padded.Width * channels);
        return _paddedInput.Pointer;
    }

    // Only the places of outputs are ever written, so the zeros between them stay.
    private float* Spread(float* dy, int batch)
    {
        if (_spreadGradient is null) return dy;
        for (int image = 0; image < batch; image++)
        {
            for (int pixel = 0; pixel < _output.Pixels; pixel++)
            {
                (int row, int column) = (pixel / _output.Width * _stride, pixel % _output.Width * _stride);
                Copy(
                    dy + image * _output.Length + (nint)pixel * _output.Channels,
                    _spreadGradient.Pointer + image * _spread.Length + (nint)(row * _spread.Width + column) * _output.Channels, _output.Channels);
            }
        }

        return _spreadGradient.Pointer;
    }

    // turned[i, j, out, in] = w[kernel - 1 - i, kernel - 1 - j, in, out].
    private void Turn(float* w)
    {
        int last = _kernel * _kernel - 1;
        nint block = (nint)_input.Channels * _output.Channels;

        // Blocks are written in order, each a little beyond its end where a size is no multiple of 4; the next one overwrites that.
        for (int place = 0; place <= last; place++)
        {
            Transpose.Run(
                w + (last - place) * block, _output.Channels, _input.Channels, _output.Channels,
                _turned!.Pointer + place * block, _input.Channels, _input.Channels);
        }
    }

    private static void CopyRows(float* source, nint length, nint rows, float* target, nint targetPitch)
    {
        for (; rows > 0; rows--, source += length, target += targetPitch) Copy(source, target, length);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Copy(float* source, float* target, nint count) =>
        Buffer.MemoryCopy(source, target, count * sizeof(float), count * sizeof(float));

    private readonly record struct Image(int Height, int Width, int Channels)
    {
        public int Pixels => Height * Width;

        public nint Length => (nint)Pixels * Channels;
    }

    /// <summary>Along one axis: a range of kernel places (or of outputs), and the input that its first one meets.</summary>
    private readonly record struct Overlap(int First, int Count, int Input)
    {
        /// <summary>The places of the kernel that lie inside the input, for one output.</summary>
        public static Overlap At(int output, int stride, int padding, int kernel, int extent)
        {
            int start = output * stride - padding, first = Math.Max(0, -start);
            return new Overlap(first, Math.Max(0, Math.Min(kernel, extent - start) - first), start + first);
        }

        /// <summary>The outputs for which one place of the kernel lies inside the input.</summary>
        public static Overlap Over(int place, int stride, int padding, int extent, int outputs)
        {
            int first = Math.Max(0, (padding - place + stride - 1) / stride), behind = extent + padding - place;
            int end = behind > 0 ? Math.Min(outputs, (behind - 1) / stride + 1) : 0;
            return new Overlap(first, Math.Max(0, end - first), first * stride + place - padding);
        }

        /// <summary>Whether the same places of the kernel lie inside.</summary>
        public bool MeetsTheSameAs(Overlap other) => First == other.First && Count == other.Count;
    }
}
