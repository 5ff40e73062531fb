using FedCore.Models;
using FedCore.Models.Layers;
using FedCore.Numerics;

namespace FedCore.Training.Tests.Layers;

/// <summary>Residual blocks of layers that are linear piece by piece: with eighths outputs and gradients equal their definitions.</summary>
public class ResidualTests
{
    private const int Batch = 3;

    public static TheoryData<LayerSpec, int[]> Blocks => new()
    {
        { new ResidualSpec { Layers = [new LinearSpec { Outputs = 5 }] }, [5] },
        { new ResidualSpec { Layers = [new LinearSpec { Outputs = 4 }], Shortcut = [new LinearSpec { Outputs = 4, Bias = false }] }, [7] },
        { new ResidualSpec { Layers = [new AveragePool2dSpec { Size = 2 }], Shortcut = [new Conv2dSpec { Channels = 2, Kernel = 1, Stride = 2 }] }, [4, 6, 2] },
        { new ResidualSpec { Layers = [new ResidualSpec { Layers = [new LinearSpec { Outputs = 5 }] }] }, [3, 5] },
    };

    [Theory]
    [MemberData(nameof(Blocks))]
    public void Gradients_equal_differences(LayerSpec spec, int[] extents)
    {
        using var probe = new LayerProbe(spec, new Shape(extents), Batch);
        RandomStream random = Draw.Stream("x");
        probe.AssertDifferencesMatch(Draw.Eighths(random, probe.InputCount), Draw.Eighths(random, probe.ParameterCount), step: 0.125, tolerance: 0);
    }

    // ReLU works in place; what it overwrites is not x.
    [Fact]
    public void Layers_in_place_leave_what_is_added_as_it_is()
    {
        using var probe = new LayerProbe(new ResidualSpec { Layers = [new ReluSpec()] }, new Shape(37), Batch);
        float[] x = Draw.Distinct(Draw.Stream("x"), probe.InputCount, 0.125f);
        Assert.Equal(x.Select(value => value + Math.Max(value, 0)), probe.Forward(x, []));
        Assert.Equal(x.Zip(probe.Coefficients, (value, c) => value > 0 ? 2 * c : c), probe.Gradients(x, []).Input);
    }

    [Fact]
    public void The_shortcut_has_its_tensors_behind_those_of_the_layers()
    {
        var spec = new ResidualSpec { Layers = [new LinearSpec { Outputs = 1, Bias = false }], Shortcut = [new LinearSpec { Outputs = 1, Bias = false }, new ReluSpec()] };
        using var probe = new LayerProbe(spec, new Shape(1), 1);
        Assert.Equal([3 * 2 + 0], probe.Forward([2], [3, -5]));
        Assert.Equal([3 * -2 + 10], probe.Forward([-2], [3, -5]));
    }
}
