using FedCore.Models;
using FedCore.Models.Layers;
using FedCore.Numerics;

namespace FedCore.Training.Tests.Layers;

/// <summary>Convolutions with numbers for which floats do not round: outputs equal the definition's, gradients equal central differences.</summary>
public class ConvolutionTests
{
    private const int Height = 7, Width = 6, Batch = 2;

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
        foreach ((int channels, int outputs, bool bias) in Channels())
        {
            (Conv2dSpec spec, LayerProbe probe, float[] x, float[] w) = Make(kernel, stride, padding, channels, outputs, bias);
            using (probe) Assert.Equal(Define(spec, probe.Output, channels, x, w), probe.Forward(x, w));
        }
    }

    [Theory]
    [MemberData(nameof(Windows))]
    public void Gradients_equal_differences(int kernel, int stride, int padding)
    {
        foreach ((int channels, int outputs, bool bias) in Channels())
        {
            (_, LayerProbe probe, float[] x, float[] w) = Make(kernel, stride, padding, channels, outputs, bias);
            using (probe) probe.AssertDifferencesMatch(x, w, step: 0.125, tolerance: 0);
        }
    }

    private static IEnumerable<(int Channels, int Outputs, bool Bias)> Channels() => [(1, 3, true), (2, 1, false), (3, 4, true), (4, 18, false), (5, 5, true)];

    private static (Conv2dSpec Spec, LayerProbe Probe, float[] X, float[] W) Make(int kernel, int stride, int padding, int channels, int outputs, bool bias)
    {
        var spec = new Conv2dSpec { Channels = outputs, Kernel = kernel, Stride = stride, Padding = padding, Bias = bias };
        var probe = new LayerProbe(spec, new Shape(Height, Width, channels), Batch);
        RandomStream random = Draw.Stream("x");
        return (spec, probe, Draw.Eighths(random, probe.InputCount), Draw.Eighths(random, probe.ParameterCount));
    }

    // y[n, r, c, o] = bias[o] + Σ x[n, r stride + i - padding, c stride + j - padding, k] w[i, j, k, o], zero outside the image.
    private static float[] Define(Conv2dSpec spec, Shape output, int channels, float[] x, float[] w)
    {
        int outputs = spec.Channels, kernelLength = spec.Kernel * spec.Kernel * channels * outputs;
        float[] y = new float[Batch * output.ElementCount];
        for (int place = 0; place < y.Length; place++)
        {
            int o = place % outputs, c = place / outputs % output[1], r = place / outputs / output[1] % output[0], n = place / (int)output.ElementCount;
            double sum = spec.Bias ? w[kernelLength + o] : 0;
            for (int i = 0; i < spec.Kernel; i++)
            {
                for (int j = 0; j < spec.Kernel; j++)
                {
                    int row = r * spec.Stride + i - spec.Padding, column = c * spec.Stride + j - spec.Padding;
                    if (row < 0 || row >= Height || column < 0 || column >= Width) continue;
                    for (int k = 0; k < channels; k++)
                        sum += (double)x[((n * Height + row) * Width + column) * channels + k] * w[((i * spec.Kernel + j) * channels + k) * outputs + o];
                }
            }

            y[place] = (float)sum;
        }

        return y;
    }
}
