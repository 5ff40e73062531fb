using FedCore.Models;
using FedCore.Models.Layers;
using FedCore.Numerics;

namespace FedCore.Training.Tests.Layers;

/// <summary>Convolutions with numbers for which floats do not round: outputs equal the definition's, gradients equal central differences.</summary>
public class ConvolutionTests
{
    /// <summary>Kernel, stride, padding.</summary>
    public static TheoryData<int, int, int> Windows
    {
        get
        {
            var data = new TheoryData<int, int, int>();
            for (int kernel = 1; kernel <= 4; kernel++)
                for (int stride = 1; stride <= 3; stride++)
                    for (int padding = 0; padding < kernel; padding++) data.Add(kernel, stride, padding);
            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Windows))]
    public void Outputs_equal_the_definition(int kernel, int stride, int padding)
    {
        foreach (Images images in Kinds(kernel, padding))
        {
            (Conv2dSpec spec, LayerProbe probe, float[] x, float[] w) = Make(kernel, stride, padding, images);
            using (probe) Assert.Equal(Define(spec, probe.Output, images, x, w), probe.Forward(x, w));
        }
    }

    [Theory]
    [MemberData(nameof(Windows))]
    public void Gradients_equal_differences(int kernel, int stride, int padding)
    {
        foreach (Images images in Kinds(kernel, padding))
        {
            (_, LayerProbe probe, float[] x, float[] w) = Make(kernel, stride, padding, images);
            using (probe) probe.AssertDifferencesMatch(x, w, step: 0.125, tolerance: 0);
        }
    }

    // Kernel, stride, padding, channels, outputs, height and width: with tails, with strides, with images smaller than the kernel, too wide for a sparse product, and with a length that
    // is no multiple of 4.
    [Theory]
    [InlineData(5, 1, 2, 32, 16, 14, 14)]
    [InlineData(3, 1, 0, 48, 33, 9, 20)]
    [InlineData(5, 1, 4, 28, 20, 6, 3)]
    [InlineData(4, 1, 3, 32, 16, 1, 2)]
    [InlineData(3, 1, 1, 48, 16, 5, 70)]
    [InlineData(3, 1, 1, 49, 17, 6, 7)]
    [InlineData(1, 1, 0, 200, 64, 8, 8)]
    [InlineData(3, 2, 1, 48, 16, 9, 8)]
    public void Zeros_in_the_output_gradient_change_no_bit_of_the_weight_gradient(
        int kernel, int stride, int padding, int channels, int outputs, int height, int width)
    {
        foreach (double share in (double[])[0.2, 1])
        {
            var images = new Images(3, channels, outputs, true) { Height = height, Width = width };
            (Conv2dSpec spec, LayerProbe probe, _, float[] w) = Make(kernel, stride, padding, images);
            using (probe)
            {
                RandomStream random = Draw.Stream("sparse");
                float[] x = Draw.Uniform(random, probe.InputCount);
                Draw.Sparse(random, probe.Coefficients.Length, share).CopyTo(probe.Coefficients, 0);
                float[] actual = probe.Gradients(x, w).Parameters, expected = WeightGradient(spec, probe, images, x);
                Assert.Equal(expected, actual[..expected.Length]);
            }
        }
    }

    // Multiplied by zero, infinity would not be a number.
    [Fact]
    public void What_only_zeros_of_the_output_gradient_meet_is_not_multiplied()
    {
        (_, LayerProbe probe, float[] x, float[] w) = Make(5, 1, 2, new Images(2, 32, 16, true));
        using (probe)
        {
            Array.Clear(probe.Coefficients);
            Array.Fill(x, float.PositiveInfinity);
            Assert.All(probe.Gradients(x, w).Parameters, gradient => Assert.Equal(0, gradient));
        }
    }

    // Few images and many, few channels and many, one vector of outputs and several; and images smaller than the kernel.
    private static IEnumerable<Images> Kinds(int kernel, int padding) => new Images[]
    {
        new(2, 1, 3, true), new(2, 2, 1, false), new(1, 4, 18, false), new(2, 1, 34, true),
        new(6, 1, 5, true), new(6, 7, 3, false), new(15, 2, 2, true), new(6, 1, 34, false),
        new(2, 1, 3, true) { Height = 2, Width = 1 }, new(6, 6, 2, true) { Height = 1, Width = 2 },
    }.Where(images => Math.Min(images.Height, images.Width) + 2 * padding >= kernel);

    private static (Conv2dSpec Spec, LayerProbe Probe, float[] X, float[] W) Make(int kernel, int stride, int padding, Images images)
    {
        var spec = new Conv2dSpec { Channels = images.Outputs, Kernel = kernel, Stride = stride, Padding = padding, Bias = images.Bias };
        var probe = new LayerProbe(spec, new Shape(images.Height, images.Width, images.Channels), images.Batch);
        RandomStream random = Draw.Stream("x");
        return (spec, probe, Draw.Eighths(random, probe.InputCount), Draw.Eighths(random, probe.ParameterCount));
    }

    // y[n, r, c, o] = bias[o] + Σ x[n, r stride + i - padding, c stride + j - padding, k] w[i, j, k, o], zero outside the image.
    private static float[] Define(Conv2dSpec spec, Shape output, Images images, float[] x, float[] w)
    {
        int channels = images.Channels, outputs = spec.Channels, kernelLength = spec.Kernel * spec.Kernel * channels * outputs;
        float[] y = new float[images.Batch * output.ElementCount];
        for (int place = 0; place < y.Length; place++)
        {
            int o = place % outputs, c = place / outputs % output[1], r = place / outputs / output[1] % output[0], n = place / (int)output.ElementCount;
            double sum = spec.Bias ? w[kernelLength + o] : 0;
            for (int i = 0; i < spec.Kernel; i++)
            {
                for (int j = 0; j < spec.Kernel; j++)
                {
                    int row = r * spec.Stride + i - spec.Padding, column = c * spec.Stride + j - spec.Padding;
                    if (row < 0 || row >= images.Height || column < 0 || column >= images.Width) continue;
                    for (int k = 0; k < channels; k++)
                        sum += (double)x[((n * images.Height + row) * images.Width + column) * channels + k] * w[((i * spec.Kernel + j) * channels + k) * outputs + o];
                }
            }

            y[place] = (float)sum;
        }

        return y;
    }

    // dw[i, j, k, o] = Σ over images, rows and columns, in this order, of x[n, r stride + i - padding, c stride + j - padding, k] dy[n, r, c, o].
    private static float[] WeightGradient(Conv2dSpec spec, LayerProbe probe, Images images, float[] x)
    {
        int channels = images.Channels, outputs = spec.Channels, height = probe.Output[0], width = probe.Output[1];
        float[] gradient = new float[spec.Kernel * spec.Kernel * channels * outputs];
        for (int place = 0; place < gradient.Length; place++)
        {
            int o = place % outputs, k = place / outputs % channels, j = place / outputs / channels % spec.Kernel, i = place / outputs / channels / spec.Kernel;
            float sum = 0;
            for (int pixel = 0; pixel < images.Batch * height * width; pixel++)
            {
                int row = pixel / width % height * spec.Stride + i - spec.Padding, column = pixel % width * spec.Stride + j - spec.Padding, n = pixel / width / height;
                if (row < 0 || row >= images.Height || column < 0 || column >= images.Width) continue;
                sum = MathF.FusedMultiplyAdd(
                    x[((n * images.Height + row) * images.Width + column) * channels + k], probe.Coefficients[pixel * outputs + o], sum);
            }

            gradient[place] = sum;
        }

        return gradient;
    }

    private sealed record Images(int Batch, int Channels, int Outputs, bool Bias)
    {
        public int Height { get; init; } = 7;

        public int Width { get; init; } = 6;
    }
}
