using FedCore.Strategies.Schedules;

namespace FedCore.Core.Tests.Strategies;

/// <summary>Factors computed by hand from the schedules' definitions.</summary>
public class ScheduleTests
{
    [Theory]
    [InlineData(1, 1)]
    [InlineData(3, 1)]
    [InlineData(4, 0.1)]
    [InlineData(6, 0.1)]
    [InlineData(7, 0.01)]
    public void A_step_schedule_falls_every_three_rounds(int round, double factor) =>
        Assert.Equal(factor, new StepSchedule { Every = 3, Gamma = 0.1 }.Factor(round, 100), 1e-12);

    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 0.5)]
    [InlineData(5, 0.0625)]
    public void An_exponential_schedule_falls_every_round(int round, double factor) =>
        Assert.Equal(factor, new ExponentialSchedule { Gamma = 0.5 }.Factor(round, 100), 1e-12);

    // cos(0) = 1, cos(pi/4) = 0.70710678, cos(pi/2) = 0, cos(pi) = -1 at rounds 1, 2, 3 and 5 of 5.
    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 0.85355339)]
    [InlineData(3, 0.5)]
    [InlineData(5, 0)]
    public void A_cosine_schedule_falls_along_a_half_cosine(int round, double factor) => Assert.Equal(factor, new CosineSchedule().Factor(round, 5), 1e-8);

    [Theory]
    [InlineData(1, 0.25)]
    [InlineData(2, 0.5)]
    [InlineData(4, 1)]
    [InlineData(5, 1)]
    [InlineData(7, 0.6)]
    [InlineData(9, 0.2)]
    public void A_cosine_schedule_warms_up_in_equal_steps_and_ends_at_its_final_share(int round, double factor) =>
        Assert.Equal(factor, new CosineSchedule { WarmUp = 4, Final = 0.2 }.Factor(round, 9), 1e-12);

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(5)]
    public void A_cosine_schedule_of_one_round_is_finite(int warmUp) => Assert.InRange(new CosineSchedule { WarmUp = warmUp }.Factor(1, 1), 0.1, 1);
}
