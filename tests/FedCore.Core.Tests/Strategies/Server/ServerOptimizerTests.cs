using FedCore.Models;
using FedCore.Numerics;
using FedCore.Strategies;
using FedCore.Strategies.Server;
using FedCore.Updates;

namespace FedCore.Core.Tests.Strategies.Server;

/// <summary>Two steps of each server optimizer, reckoned by hand from its paper's algorithm: mean changes of 0.4 and -0.2 from a model of 1.</summary>
public class ServerOptimizerTests
{
    private const double First = 0.4, Second = -0.2;

    // McMahan et al. 2017, algorithm 1.
    [Fact]
    public void Average_adds_the_change() => AssertSteps(new ServerAverage { LearningRate = 0.5 }, 1 + 0.5 * First, 1 + 0.5 * (First + Second));

    // Hsu et al. 2019: v = 0.9 v + change, w += v.
    [Fact]
    public void Momentum_adds_a_velocity() => AssertSteps(new ServerMomentum { Momentum = 0.9 }, 1.4, 1.4 + (0.9 * First + Second));

    // Reddi et al. 2021, algorithm 2, with the first accumulator tau².
    [Fact]
    public void Adam_steps_by_algorithm_2()
    {
        const double tau = 0.01, beta1 = 0.9, beta2 = 0.99, rate = 0.1;
        double m1 = 0.1 * First, v1 = beta2 * tau * tau + 0.01 * First * First, w1 = 1 + rate * m1 / (Math.Sqrt(v1) + tau);
        double m2 = beta1 * m1 + 0.1 * Second, v2 = beta2 * v1 + 0.01 * Second * Second, w2 = w1 + rate * m2 / (Math.Sqrt(v2) + tau);
        AssertSteps(new ServerAdam { LearningRate = rate, Tau = tau }, w1, w2);
    }

    [Fact]
    public void Yogi_steps_by_algorithm_2()
    {
        const double tau = 0.01, beta1 = 0.9, rate = 0.1, v0 = 0.1;
        double m1 = 0.1 * First, v1 = v0 + 0.01 * First * First, w1 = 1 + rate * m1 / (Math.Sqrt(v1) + tau);
        double m2 = beta1 * m1 + 0.1 * Second, v2 = v1 - 0.01 * Second * Second, w2 = w1 + rate * m2 / (Math.Sqrt(v2) + tau);
        AssertSteps(new ServerYogi { LearningRate = rate, Tau = tau, InitialAccumulator = v0 }, w1, w2);
    }

    [Fact]
    public void Adagrad_steps_by_algorithm_2_without_a_first_moment()
    {
        const double tau = 0.01, rate = 0.1;
        double v1 = First * First, w1 = 1 + rate * First / (Math.Sqrt(v1) + tau);
        double v2 = v1 + Second * Second, w2 = w1 + rate * Second / (Math.Sqrt(v2) + tau);
        AssertSteps(new ServerAdagrad { LearningRate = rate, Tau = tau, InitialAccumulator = 0 }, w1, w2);
    }

    // A coordinate that never changes has 0 / (0 + tau).
    [Fact]
    public void A_coordinate_without_change_stays_where_it_is() => Assert.Equal([1f, 1f], StepsOf(new ServerAdam { InitialAccumulator = 0 }, 0, 0));

    [Fact]
    public void Only_the_average_is_linear_in_the_updates()
    {
        Assert.True(new FedAvg().IsLinear);
        Assert.All<IServerOptimizer>([new ServerMomentum(), new ServerAdagrad(), new ServerAdam(), new ServerYogi()], server => Assert.False(new FedAvg { Server = server }.IsLinear));
    }

    private static void AssertSteps(IServerOptimizer optimizer, double behindFirst, double behindSecond)
    {
        float[] steps = StepsOf(optimizer, First, Second);
        Assert.Equal(behindFirst, steps[0], 1e-6);
        Assert.Equal(behindSecond, steps[1], 1e-6);
    }

    // Two clients of weight 2 in the sum; longer than a block, and no multiple of a vector.
    private static float[] StepsOf(IServerOptimizer optimizer, params double[] changes)
    {
        var schema = new ModelSchema([("w", new Shape(VectorBlocks.BlockLength + 5), TensorType.F32, TensorRole.Trainable)]);
        using var state = new ServerState(new ModelState(schema));
        state.Model.Trainable.AsSpan().Fill(1);
        UpdateLayout layout = UpdateLayout.ForModel(schema).With(new Section(Section.Weight, SectionRole.Weight, 1));
        using var sum = new FlatVector(layout.VectorLength);
        return [.. changes.Select(change =>
        {
            sum.AsSpan().Fill((float)(4 * change));
            optimizer.Step(state, new MeanChange(new UpdateSum(layout, sum, [4], 2), 0.25));
            return Assert.Single(state.Model.Trainable.AsSpan().ToArray().Distinct());
        })];
    }
}
