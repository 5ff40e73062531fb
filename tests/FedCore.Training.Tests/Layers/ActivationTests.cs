using FedCore.Models;
using FedCore.Models.Layers;

namespace FedCore.Training.Tests.Layers;

public class ActivationTests
{
    // Enough values for whole vectors and a tail.
    private const int Size = 37;

    [Fact]
    public void Relu_keeps_what_is_not_a_number_so_that_divergence_is_seen()
    {
        float[] x = Draw.Uniform(Draw.Stream("x"), Size);
        (x[0], x[Size - 1]) = (float.NaN, float.NaN);
        float[] y = Forward(new ReluSpec(), x);
        Assert.Equal(x.Select(v => float.IsNaN(v) ? v : Math.Max(v, 0)), y);
    }

    [Fact]
    public void Relu_has_gradient_zero_at_zero()
    {
        using var probe = new LayerProbe(new ReluSpec(), new Shape(Size), 1);
        Assert.All(probe.Gradients(new float[Size], []).Input, gradient => Assert.Equal(0, gradient));
    }

    // 1e-6 is 16 units in the last place of a value near 1, more than any vectorised approximation in use is off.
    [Fact]
    public void Tanh_and_sigmoid_are_those_of_double_precision_and_saturate()
    {
        float[] x = [float.NegativeInfinity, -100, .. Draw.Uniform(Draw.Stream("x"), Size - 4).Select(v => 8 * v), 100, float.PositiveInfinity];
        float[] tanh = Forward(new TanhSpec(), x), sigmoid = Forward(new SigmoidSpec(), x);
        for (int i = 0; i < Size; i++)
        {
            Assert.Equal(Math.Tanh(x[i]), tanh[i], 1e-6);
            Assert.Equal(1 / (1 + Math.Exp(-x[i])), sigmoid[i], 1e-6);
        }
    }

    // x erfc(-x / sqrt(2)) / 2 by C's erfc in double precision. The approximation is off by 1.2e-7 of Φ, and rounding x² / 2 in an exponent by x² / 2 of 6e-8.
    [Theory]
    [InlineData(-9f, -1.01572956536e-18)]
    [InlineData(-5f, -1.4332578594e-06)]
    [InlineData(-3f, -0.00404969409489)]
    [InlineData(-1f, -0.158655253931)]
    [InlineData(-0.5f, -0.154268769363)]
    [InlineData(-0.001f, -0.000499601057786)]
    [InlineData(0f, 0)]
    [InlineData(0.001f, 0.000500398942214)]
    [InlineData(0.5f, 0.345731230637)]
    [InlineData(1f, 0.841344746069)]
    [InlineData(3f, 2.99595030591)]
    [InlineData(5f, 4.99999856674)]
    [InlineData(9f, 9)]
    public void Gelu_has_right_digits_where_its_values_are_small_too(float x, double expected)
    {
        float[] y = Forward(new GeluSpec(), [.. Enumerable.Repeat(x, Size)]);
        Assert.All(y, value => Assert.Equal(expected, value, Math.Abs(expected) * (4 + x * x) * 1.2e-7));
    }

    // PyTorch gives the gradient of a window of equals to the first of them, row by row; so do we, where windows overlap too.
    [Theory]
    [InlineData(2, new float[] { 1, 0, 1, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0 })]
    [InlineData(1, new float[] { 1, 1, 1, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 0, 0 })]
    public void Among_equals_the_first_of_a_window_gets_the_gradient(int stride, float[] receives)
    {
        foreach (int channels in (int[])[1, 16])
        {
            using var probe = new LayerProbe(new MaxPool2dSpec { Size = 2, Stride = stride }, new Shape(4, 4, channels), 1);
            float[] gradient = probe.Gradients(new float[probe.InputCount], []).Input;
            for (int i = 0; i < gradient.Length; i++) Assert.True(receives[i / channels] != 0 || gradient[i] == 0, $"pixel {i / channels} got {gradient[i]}");
        }
    }

    [Fact]
    public void Rectified_and_pooled_zeros_have_no_gradient()
    {
        using var probe = new LayerProbe(new MaxPool2dSpec { Size = 2 }, new Shape(4, 4, 3), 2, before: new ReluSpec());
        Assert.All(probe.Gradients(new float[probe.InputCount], []).Input, gradient => Assert.Equal(0, gradient));
    }

    private static float[] Forward(LayerSpec spec, float[] x)
    {
        using var probe = new LayerProbe(spec, new Shape(Size), 1);
        return probe.Forward(x, []);
    }
}
