using FedCore.Models;
using FedCore.Models.Layers;
using FedCore.Numerics;

namespace FedCore.Training.Tests.Layers;

/// <summary>Attention against its definition in double precision, and its gradients against differences.</summary>
public class AttentionTests
{
    /// <summary>Tokens, width, heads, causal, bias: parts of vectors and whole ones, one token, and more tokens than a band of scores has rows.</summary>
    public static TheoryData<int, int, int, bool, bool> Cases => new()
    {
        { 1, 4, 1, true, true },
        { 5, 6, 2, true, true },
        { 5, 6, 3, false, true },
        { 18, 16, 1, true, false },
        { 33, 8, 2, true, true },
        { 33, 8, 2, false, false },
    };

    // Values of about 1 behind some 200 roundings of u = 6e-8.
    [Theory]
    [MemberData(nameof(Cases))]
    public void Outputs_are_the_definitions(int tokens, int width, int heads, bool causal, bool bias)
    {
        (LayerProbe probe, float[] x, float[] w) = Make(tokens, width, heads, causal, bias);
        using (probe)
        {
            double[] expected = Define(tokens, width, heads, causal, bias, x, w);
            float[] found = probe.Forward(x, w);
            for (int i = 0; i < expected.Length; i++) Assert.Equal(expected[i], found[i], 1e-5);
        }
    }

    // With h = 1/64 the difference is off by h²/6 |f'''|, some 4e-5 |f'''|, and by the rounding of a sum of up to 264 x 2 outputs over h: 1e-3.
    [Theory]
    [MemberData(nameof(Cases))]
    public void Gradients_are_differences_but_for_their_error(int tokens, int width, int heads, bool causal, bool bias)
    {
        (LayerProbe probe, float[] x, float[] w) = Make(tokens, width, heads, causal, bias);
        using (probe) probe.AssertDifferencesMatch(x, w, step: 1.0 / 64, tolerance: 4e-3);
    }

    [Fact]
    public void A_causal_token_does_not_see_those_behind_it()
    {
        const int tokens = 40, width = 8;
        (LayerProbe probe, float[] x, float[] w) = Make(tokens, width, 2, causal: true, bias: true);
        using (probe)
        {
            float[] before = probe.Forward(x, w);
            for (int i = 20 * width; i < tokens * width; i++) x[i] = 100 - x[i];
            Assert.Equal(before[..(20 * width)], probe.Forward(x, w)[..(20 * width)]);
        }
    }

    // e^1000 would overflow.
    [Fact]
    public void Large_scores_stay_numbers()
    {
        (LayerProbe probe, float[] x, float[] w) = Make(5, 6, 2, causal: true, bias: true);
        using (probe) Assert.All(probe.Forward([.. x.Select(value => 1000 * value)], w), value => Assert.True(float.IsFinite(value)));
    }

    private static (LayerProbe Probe, float[] X, float[] W) Make(int tokens, int width, int heads, bool causal, bool bias)
    {
        var probe = new LayerProbe(new AttentionSpec { Heads = heads, Causal = causal, Bias = bias }, new Shape(tokens, width), 2);
        RandomStream random = Draw.Stream("attention");
        return (probe, Draw.Uniform(random, probe.InputCount), [.. Draw.Uniform(random, probe.ParameterCount).Select(v => 0.7f * v)]);
    }

    private static double[] Define(int tokens, int width, int heads, bool causal, bool bias, float[] x, float[] w)
    {
        int columns = 3 * width, depth = width / heads, second = width * columns + (bias ? columns : 0), batch = x.Length / tokens / width;
        double[] y = new double[x.Length];
        for (int example = 0; example < batch; example++)
        {
            double[,] projected = new double[tokens, columns], attended = new double[tokens, width];
            for (int t = 0; t < tokens; t++)
            {
                for (int column = 0; column < columns; column++)
                {
                    projected[t, column] = bias ? w[width * columns + column] : 0;
                    for (int k = 0; k < width; k++) projected[t, column] += (double)x[(example * tokens + t) * width + k] * w[k * columns + column];
                }
            }

            for (int head = 0; head < heads; head++)
            {
                for (int t = 0; t < tokens; t++)
                {
                    double[] weights = [.. Enumerable.Range(0, causal ? t + 1 : tokens).Select(s => Math.Exp(
                        Enumerable.Range(head * depth, depth).Sum(k => projected[t, k] * projected[s, width + k]) / Math.Sqrt(depth)))];
                    for (int k = head * depth; k < (head + 1) * depth; k++)
                        attended[t, k] = weights.Select((weight, s) => weight * projected[s, 2 * width + k]).Sum() / weights.Sum();
                }
            }

            for (int t = 0; t < tokens; t++)
            {
                for (int column = 0; column < width; column++)
                {
                    double sum = bias ? w[second + width * width + column] : 0;
                    for (int k = 0; k < width; k++) sum += attended[t, k] * w[second + k * width + column];
                    y[(example * tokens + t) * width + column] = sum;
                }
            }
        }

        return y;
    }
}
