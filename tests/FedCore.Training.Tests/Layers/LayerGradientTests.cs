using FedCore.Models;
using FedCore.Models.Layers;
using FedCore.Numerics;

namespace FedCore.Training.Tests.Layers;

/// <summary>The gradients of parameters and inputs against central differences. Where a layer is linear piece by piece, they must be equal.</summary>
public class LayerGradientTests
{
    // Values that lie 1/8 apart stay in their linear piece when one of them moves by 1/32.
    private const double WithinPiece = 1.0 / 32;

    [Fact]
    public void Linear_gradients_equal_differences()
    {
        foreach (int batch in (int[])[1, 2, 5, 17])
        {
            foreach (int inputs in (int[])[1, 3, 8, 13])
            {
                foreach (int outputs in (int[])[1, 2, 7, 16, 19])
                {
                    foreach (bool bias in (bool[])[true, false])
                        AssertExact(new LinearSpec { Outputs = outputs, Bias = bias }, new Shape(inputs), batch, Draw.Eighths, 0.125);
                }
            }
        }
    }

    // Each token is a row: 5 x 21 of them are many, 2 x 3 few.
    [Theory]
    [InlineData(1, 2)]
    [InlineData(3, 2)]
    [InlineData(21, 5)]
    public void Linear_gradients_of_sequences_equal_differences(int tokens, int batch)
    {
        foreach (bool bias in (bool[])[true, false])
            AssertExact(new LinearSpec { Outputs = 7, Bias = bias }, new Shape(tokens, 5), batch, Draw.Eighths, 0.125);
    }

    // 700 KB of weights, which are worked on in several blocks.
    [Fact]
    public void Linear_gradients_of_many_weights_are_those_of_the_definition()
    {
        const int inputs = 400, outputs = 450, batch = 3;
        using var probe = new LayerProbe(new LinearSpec { Outputs = outputs, Bias = false }, new Shape(inputs), batch);
        RandomStream random = Draw.Stream("x");
        float[] x = Draw.Eighths(random, probe.InputCount), w = Draw.Eighths(random, probe.ParameterCount), dy = probe.Coefficients;
        float[] dx = new float[x.Length], dw = new float[w.Length];
        for (int row = 0; row < batch; row++)
        {
            for (int i = 0; i < inputs; i++)
            {
                for (int o = 0; o < outputs; o++)
                {
                    dx[row * inputs + i] += dy[row * outputs + o] * w[i * outputs + o];
                    dw[i * outputs + o] += x[row * inputs + i] * dy[row * outputs + o];
                }
            }
        }

        (float[] inputGradient, float[] parameterGradient) = probe.Gradients(x, w);
        Assert.Equal(dx, inputGradient);
        Assert.Equal(dw, parameterGradient);
    }

    [Theory]
    [InlineData(2, 0, 1)]
    [InlineData(2, 1, 3)]
    [InlineData(3, 1, 2)]
    [InlineData(3, 2, 5)]
    [InlineData(2, 3, 1)]
    [InlineData(1, 2, 4)]
    [InlineData(2, 2, 17)]
    public void Max_pool_gradients_equal_differences(int size, int stride, int channels) =>
        AssertExact(new MaxPool2dSpec { Size = size, Stride = stride }, new Shape(7, 6, channels), 2, Distinct, WithinPiece);

    [Theory]
    [InlineData(2, 0, 1)]
    [InlineData(2, 1, 3)]
    [InlineData(4, 1, 2)]
    [InlineData(2, 3, 5)]
    [InlineData(1, 2, 4)]
    [InlineData(4, 2, 17)]
    public void Average_pool_gradients_equal_differences(int size, int stride, int channels) =>
        AssertExact(new AveragePool2dSpec { Size = size, Stride = stride }, new Shape(7, 6, channels), 2, Draw.Eighths, 0.125);

    // 1/9 is no float: at most 9 windows see an input, each output is rounded twice (2 u |y|, u = 6e-8, |y| <= 2) and the difference is divided by 1.
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(0)]
    public void Average_pool_gradients_of_windows_of_nine_are_differences_but_for_rounding(int stride)
    {
        using var probe = new LayerProbe(new AveragePool2dSpec { Size = 3, Stride = stride }, new Shape(7, 6, 3), 2);
        probe.AssertDifferencesMatch(Draw.Eighths(Draw.Stream("x"), probe.InputCount), [], step: 0.5, tolerance: 9 * 2 * 2 * 6e-8 * 2);
    }

    [Fact]
    public void Relu_gradients_equal_differences() => AssertExact(new ReluSpec(), new Shape(37), 3, Distinct, WithinPiece);

    [Fact]
    public void Flatten_gradients_equal_differences() => AssertExact(new FlattenSpec(), new Shape(3, 2, 5), 3, Draw.Eighths, 0.125);

    // 1 / (1 - rate) is exact for these rates.
    [Theory]
    [InlineData(0)]
    [InlineData(0.5)]
    [InlineData(0.75)]
    public void Dropout_gradients_equal_differences(double rate) => AssertExact(new DropoutSpec { Rate = rate }, new Shape(37), 3, Draw.Eighths, 0.125);

    // The difference is off by h²/6 |f'''| = 8.1e-5 (|f'''| <= 2 for tanh, less for the sigmoid) and by the rounding of two values, 4 ulp each: 1.5e-5.
    [Fact]
    public void Tanh_and_sigmoid_gradients_are_differences_but_for_their_error()
    {
        foreach (LayerSpec spec in (LayerSpec[])[new TanhSpec(), new SigmoidSpec()])
        {
            using var probe = new LayerProbe(spec, new Shape(37), 3);
            float[] input = [.. Draw.Uniform(Draw.Stream("x"), probe.InputCount).Select(x => 3 * x)];
            probe.AssertDifferencesMatch(input, [], step: 1.0 / 64, tolerance: 1e-4);
        }
    }

    // The third derivative φ(x) (x³ - 4 x) is below 0.81, so with h = 1/32 the difference is off by h²/6 of it, 1.3e-4, and by the rounding of two values over h: 6e-5.
    [Fact]
    public void Gelu_gradients_are_differences_but_for_their_error()
    {
        using var probe = new LayerProbe(new GeluSpec(), new Shape(37), 3);
        float[] input = [.. Draw.Uniform(Draw.Stream("x"), probe.InputCount).Select(x => 5 * x)];
        probe.AssertDifferencesMatch(input, [], step: 1.0 / 32, tolerance: 2e-4);
    }

    private static float[] Distinct(RandomStream random, int count) => Draw.Distinct(random, count, 0.125f);

    private static void AssertExact(LayerSpec spec, Shape input, int batch, Func<RandomStream, int, float[]> draw, double step)
    {
        using var probe = new LayerProbe(spec, input, batch);
        RandomStream random = Draw.Stream("x");
        probe.AssertDifferencesMatch(draw(random, probe.InputCount), Draw.Eighths(random, probe.ParameterCount), step, tolerance: 0);
    }
}
