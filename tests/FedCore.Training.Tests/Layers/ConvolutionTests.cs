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

    private sealed record Images(int Batch, int Channels, int Outputs, bool Bias)
    {
        public int Height { get; init; } = 7;

        public int Width { get; init; } = 6;
    }
}
