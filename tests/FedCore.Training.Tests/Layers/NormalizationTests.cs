using FedCore.Models;
using FedCore.Models.Layers;
using FedCore.Numerics;

namespace FedCore.Training.Tests.Layers;

/// <summary>Batch, layer and group normalisation against their definitions in double precision, and their gradients against differences.</summary>
public class NormalizationTests
{
    public static TheoryData<LayerSpec, int[]> Cases => new()
    {
        { new LayerNormSpec(), [7] },
        { new LayerNormSpec(), [16] },
        { new LayerNormSpec(), [5, 33] },
        { new LayerNormSpec(), [3, 2, 19] },
        { new BatchNormSpec(), [7] },
        { new BatchNormSpec(), [5, 33] },
        { new BatchNormSpec(), [3, 2, 19] },
        { new GroupNormSpec { Groups = 1 }, [12] },
        { new GroupNormSpec { Groups = 3 }, [12] },
        { new GroupNormSpec { Groups = 2 }, [5, 34] },
        { new GroupNormSpec { Groups = 4 }, [3, 4, 20] },
        { new GroupNormSpec { Groups = 5 }, [4, 4, 5] },
    };

    // A value of about 1 behind some 100 roundings of u = 6e-8 in mean and variance.
    [Theory]
    [MemberData(nameof(Cases))]
    public void Outputs_are_the_definitions(LayerSpec spec, int[] extents)
    {
        const int batch = 3;
        using var probe = new LayerProbe(spec, new Shape(extents), batch);
        (float[] x, float[] parameters) = Values(probe);
        double[] expected = Define(spec, extents, x, parameters);
        float[] found = probe.Forward(x, parameters);
        for (int i = 0; i < expected.Length; i++) Assert.Equal(expected[i], found[i], 1e-5);
    }

    // With h = 1/64 the difference is off by h²/6 |f'''|, some 1e-3 for values of deviation 1, and by the rounding of the sum over h: 1e-3 too.
    [Theory]
    [MemberData(nameof(Cases))]
    public void Gradients_are_differences_but_for_their_error(LayerSpec spec, int[] extents)
    {
        using var probe = new LayerProbe(spec, new Shape(extents), 2);
        (float[] x, float[] parameters) = Values(probe);
        probe.AssertDifferencesMatch(x, parameters, step: 1.0 / 64, tolerance: 4e-3);
    }

    // 1e4 + noise: a variance as mean of squares less squared mean would have no right digit.
    [Theory]
    [MemberData(nameof(Cases))]
    public void A_large_mean_costs_no_digits_but_those_of_the_input(LayerSpec spec, int[] extents)
    {
        using var probe = new LayerProbe(spec, new Shape(extents), 3);
        (float[] x, float[] parameters) = Values(probe);
        for (int i = 0; i < x.Length; i++) x[i] = 4096 + MathF.Round(x[i] * 64) / 64;
        double[] expected = Define(spec, extents, x, parameters);
        float[] found = probe.Forward(x, parameters);
        for (int i = 0; i < expected.Length; i++) Assert.Equal(expected[i], found[i], 2e-3);
    }

    [Fact]
    public void Groups_that_do_not_divide_the_channels_are_refused()
    {
        var fault = Assert.Throws<ShapeException>(() => new GroupNormSpec { Groups = 4 }.Plan(new Shape(3, 3, 6)));
        Assert.Contains("does not divide the 6 channels", fault.Message, StringComparison.Ordinal);
    }

    private static (float[] X, float[] Parameters) Values(LayerProbe probe)
    {
        RandomStream random = Draw.Stream("values");
        return ([.. Enumerable.Range(0, probe.InputCount).Select(_ => (float)random.NextNormal())], Draw.Uniform(random, probe.ParameterCount));
    }

    private static double[] Define(LayerSpec spec, int[] extents, float[] x, float[] parameters)
    {
        int channels = extents[^1], size = extents.Aggregate(1, (a, b) => a * b), groups = spec is GroupNormSpec group ? group.Groups : 1;
        double[] y = new double[x.Length];

        // A batch norm's channel reaches over the batch; a layer norm's row is a group of its own; a group norm's group reaches over the pixels of an example.
        IEnumerable<int[]> sets = spec is BatchNormSpec
            ? Enumerable.Range(0, channels).Select(channel => Enumerable.Range(0, x.Length / channels).Select(row => row * channels + channel).ToArray())
            : spec is LayerNormSpec
            ? Enumerable.Range(0, x.Length / channels).Select(row => Enumerable.Range(row * channels, channels).ToArray())
            : Enumerable.Range(0, x.Length / size * groups).Select(set => Enumerable.Range(0, size)
                .Where(i => i % channels / (channels / groups) == set % groups).Select(i => set / groups * size + i).ToArray());
        foreach (int[] set in sets)
        {
            double mean = set.Average(i => (double)x[i]), variance = set.Average(i => (x[i] - mean) * (x[i] - mean));
            foreach (int i in set) y[i] = (x[i] - mean) / Math.Sqrt(variance + 1e-5) * parameters[i % channels] + parameters[channels + i % channels];
        }

        return y;
    }
}
