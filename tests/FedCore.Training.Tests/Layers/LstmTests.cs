using FedCore.Models;
using FedCore.Models.Layers;
using FedCore.Numerics;

namespace FedCore.Training.Tests.Layers;

/// <summary>The LSTM against its definition in double precision, and its gradients against differences.</summary>
public class LstmTests
{
    /// <summary>Tokens, width, units, whether all outputs are returned: parts of vectors, whole ones, one token, and rows enough for packed products.</summary>
    public static TheoryData<int, int, int, bool> Cases => new()
    {
        { 1, 3, 1, false },
        { 1, 2, 5, true },
        { 2, 1, 16, true },
        { 5, 4, 19, true },
        { 5, 4, 19, false },
        { 23, 2, 7, false },
    };

    // Values below 1 behind tokens x some 50 roundings of u = 6e-8, which forget gates below 1 do not let grow.
    [Theory]
    [MemberData(nameof(Cases))]
    public void Outputs_are_the_definitions(int tokens, int width, int units, bool all)
    {
        (LayerProbe probe, float[] x, float[] w) = Make(tokens, width, units, all);
        using (probe)
        {
            double[] expected = Define(tokens, width, units, all, x, w);
            float[] found = probe.Forward(x, w);
            Assert.Equal(expected.Length, found.Length);
            for (int i = 0; i < expected.Length; i++) Assert.Equal(expected[i], found[i], 1e-5);
        }
    }

    // With h = 1/64 the difference is off by h²/6 |f'''|, some 4e-5 |f'''|, and by the rounding of the sum of outputs over h: 3e-5 of them. A weight of many tokens has
    // the larger third derivative.
    [Theory]
    [MemberData(nameof(Cases))]
    public void Gradients_are_differences_but_for_their_error(int tokens, int width, int units, bool all)
    {
        (LayerProbe probe, float[] x, float[] w) = Make(tokens, width, units, all);
        using (probe) probe.AssertDifferencesMatch(x, w, step: 1.0 / 64, tolerance: 2e-3);
    }

    private static (LayerProbe Probe, float[] X, float[] W) Make(int tokens, int width, int units, bool all)
    {
        var probe = new LayerProbe(new LstmSpec { Units = units, ReturnSequences = all }, new Shape(tokens, width), 3);
        RandomStream random = Draw.Stream("lstm");
        return (probe, Draw.Uniform(random, probe.InputCount), [.. Draw.Uniform(random, probe.ParameterCount).Select(v => 0.7f * v)]);
    }

    private static double[] Define(int tokens, int width, int units, bool all, float[] x, float[] w)
    {
        int columns = 4 * units, batch = x.Length / tokens / width;
        var outputs = new List<double>();
        for (int example = 0; example < batch; example++)
        {
            double[] h = new double[units], c = new double[units];
            for (int token = 0; token < tokens; token++)
            {
                double[] sums = new double[columns];
                for (int column = 0; column < columns; column++)
                {
                    sums[column] = w[(width + units) * columns + column];
                    for (int k = 0; k < width; k++) sums[column] += (double)x[(example * tokens + token) * width + k] * w[k * columns + column];
                    for (int k = 0; k < units; k++) sums[column] += h[k] * w[(width + k) * columns + column];
                }

                for (int unit = 0; unit < units; unit++)
                {
                    c[unit] = Sigmoid(sums[units + unit]) * c[unit] + Sigmoid(sums[unit]) * Math.Tanh(sums[2 * units + unit]);
                    h[unit] = Sigmoid(sums[3 * units + unit]) * Math.Tanh(c[unit]);
                }

                if (all || token == tokens - 1) outputs.AddRange(h);
            }
        }

        return [.. outputs];
        static double Sigmoid(double value) => 1 / (1 + Math.Exp(-value));
    }
}
