using FedCore.Core.Tests.Json;
using FedCore.Optimizers;
using FedCore.Strategies;

namespace FedCore.Core.Tests.Strategies;

public class FedNovaTests
{
    // Wang et al. 2020, section 4.1: ||a||_1 is tau for plain gradient descent, [tau - rho (1 - rho^tau) / (1 - rho)] / (1 - rho) with momentum rho, and
    // [1 - (1 - alpha)^tau] / alpha with a proximal term, alpha = rate mu.
    [Theory]
    [InlineData(1, 0, 0, 1)]
    [InlineData(7, 0, 0, 7)]
    [InlineData(1, 0.9, 0, 1)]
    [InlineData(2, 0.9, 0, 2.9)]
    [InlineData(50, 0.9, 0, 410.4638)]
    [InlineData(3, 0, 0.1, 2.71)]
    [InlineData(50, 0, 0.02, 31.79152)]
    public void Normalized_steps_are_the_papers(int steps, double momentum, double proximal, double expected) =>
        Assert.Equal(expected, FedNova.NormalizedStepsOf(steps, new SgdSpec { Momentum = momentum }, proximal), 1e-4);

    // With gradients of 1 and momentum 1/2: velocities 1, 3/2; Nesterov's steps 1 + 1/2, 1 + 3/4.
    [Fact]
    public void Nesterovs_steps_reach_a_velocity_farther() =>
        Assert.Equal(3.25, FedNova.NormalizedStepsOf(2, new SgdSpec { Momentum = 0.5, Nesterov = true }, 0), 1e-12);

    [Theory]
    [InlineData("fednova")]
    [InlineData("scaffold")]
    public void Adam_at_the_clients_is_refused_with_the_reason(string strategy)
    {
        var fault = Assert.Throws<FedCoreException>(() => FedCore.Rounds.RunPlan.Create(
            RunFiles.Read($"strategy={{\"type\":\"{strategy}\"}}", "training.optimizer={\"type\":\"adam\"}"), RunFiles.Names));
        Assert.Equal("run.strategy", fault.Code);
        Assert.Contains(strategy, fault.Message, StringComparison.Ordinal);
        Assert.Contains("\"sgd\"", fault.Message, StringComparison.Ordinal);
    }
}
