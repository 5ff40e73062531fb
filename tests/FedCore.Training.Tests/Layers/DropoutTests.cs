using FedCore.Models;
using FedCore.Models.Layers;
using FedCore.Training.Engine;
using FedCore.Training.Layers;

namespace FedCore.Training.Tests.Layers;

public class DropoutTests
{
    private const int Size = 20_000;

    // The number of zeros is binomial with deviation sqrt(n p (1 - p)) <= 71; five of them are 354.
    [Theory]
    [InlineData(0.1)]
    [InlineData(0.5)]
    [InlineData(0.9)]
    public void A_share_of_the_rate_is_dropped_and_the_others_are_scaled_up(double rate)
    {
        float[] values = Forward(rate, training: true);
        double deviation = Math.Sqrt(Size * rate * (1 - rate));
        Assert.InRange(values.Count(v => v == 0), Size * rate - 5 * deviation, Size * rate + 5 * deviation);
        Assert.All(values.Where(v => v != 0), v => Assert.Equal((float)(1 / (1 - rate)), v));
    }

    [Fact]
    public void The_mean_is_kept() => Assert.Equal(1, Forward(0.5, training: true).Average(), 5 / Math.Sqrt(Size));

    [Fact]
    public void Evaluation_does_nothing() => Assert.All(Forward(0.5, training: false), v => Assert.Equal(1, v));

    [Fact]
    public void A_rate_of_zero_does_nothing() => Assert.All(Forward(0, training: true), v => Assert.Equal(1, v));

    [Fact]
    public void Every_pass_draws_a_new_mask()
    {
        using Layer layer = Make(0.5);
        var random = Draw.Stream("mask");
        float[] first = [.. Enumerable.Repeat(1f, Size)], second = [.. first];
        layer.Forward(new LayerPass(1, true, default, default, isStep: false, random), first, first);
        layer.Forward(new LayerPass(1, true, default, default, isStep: false, random), second, second);

        // Two independent masks of rate 1/2 differ in half of the places.
        int different = first.Zip(second).Count(pair => pair.First != pair.Second);
        Assert.InRange(different, Size / 2 - 354, Size / 2 + 354);
    }

    private static float[] Forward(double rate, bool training)
    {
        using Layer layer = Make(rate);
        float[] values = [.. Enumerable.Repeat(1f, Size)];
        layer.Forward(new LayerPass(1, training, default, default, isStep: false, Draw.Stream("mask")), values, values);
        return values;
    }

    private static Layer Make(double rate) =>
        EngineRegistry.CreateDefault().Create(new DropoutSpec { Rate = rate }, new LayerSite(new Shape(Size), new Shape(Size), 1, true));
}
