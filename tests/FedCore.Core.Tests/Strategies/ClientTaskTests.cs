using FedCore.Rounds;
using FedCore.Strategies;
using FedCore.Strategies.Schedules;

namespace FedCore.Core.Tests.Strategies;

public class ClientTaskTests
{
    [Theory]
    [InlineData(100, 10, 20)]
    [InlineData(101, 10, 22)]
    [InlineData(1, 10, 2)]
    [InlineData(101, 0, 2)]
    [InlineData(101, 1, 202)]
    public void Two_epochs_take_as_many_steps_as_there_are_batches(long examples, int batchSize, int steps) =>
        Assert.Equal(steps, new LocalWork(2, 0).StepsFor(examples, batchSize));

    [Fact]
    public void Work_in_steps_does_not_depend_on_the_examples() => Assert.Equal(7, new LocalWork(0, 7).StepsFor(1_000_000, 3));

    [Fact]
    public void A_client_weighs_as_much_as_its_examples() => Assert.Equal(123, new ClientWeighting(false, 0).Of(123));

    [Fact]
    public void A_uniform_client_weighs_one() => Assert.Equal(1, new ClientWeighting(true, 50).Of(123));

    [Theory]
    [InlineData(25, 0.5)]
    [InlineData(50, 1)]
    [InlineData(123, 1)]
    public void Examples_above_the_limit_do_not_count(long examples, double weight) => Assert.Equal(weight, new ClientWeighting(false, 50).Of(examples));

    [Theory]
    [InlineData(true, 0, 1, true)]
    [InlineData(true, 50, 1, true)]
    [InlineData(true, 0, 1.5, false)]
    [InlineData(true, 0, 0, false)]
    [InlineData(true, 0, 1e30, false)]
    [InlineData(false, 0, 1, true)]
    [InlineData(false, 0, 123, true)]
    [InlineData(false, 0, 1e12, true)]
    [InlineData(false, 0, 1e12 + 1, false)]
    [InlineData(false, 0, 1.5, false)]
    [InlineData(false, 0, 0, false)]
    [InlineData(false, 0, -1e9, false)]
    [InlineData(false, 0, double.NaN, false)]
    [InlineData(false, 50, 1, true)]
    [InlineData(false, 50, 0.02, true)]
    [InlineData(false, 50, 0.019, false)]
    [InlineData(false, 50, 50, false)]
    [InlineData(false, 50, double.NaN, false)]
    public void A_weight_that_no_number_of_examples_makes_is_a_fault(bool uniform, long limit, double weight, bool isSound) =>
        Assert.Equal(isSound, new ClientWeighting(uniform, limit).FaultIn(weight) is null);

    [Fact]
    public void A_plan_without_epochs_and_steps_asks_for_one_epoch() =>
        Assert.Equal(new LocalWork(1, 0), new TrainingPlan { LearningRate = 1 }.TaskFor(1, 10).Work);

    [Fact]
    public void A_plan_in_steps_asks_for_steps() =>
        Assert.Equal(new LocalWork(0, 9), new TrainingPlan { LearningRate = 1, Steps = 9 }.TaskFor(1, 10).Work);

    [Fact]
    public void A_task_carries_what_the_plan_says_with_the_rate_of_its_round()
    {
        var plan = new TrainingPlan
        {
            Epochs = 3,
            BatchSize = 8,
            LearningRate = 0.4,
            Schedule = new ExponentialSchedule { Gamma = 0.5 },
            ClipNorm = 2,
            WeightBy = WeightBy.Uniform,
            MaxExamples = 77,
        };
        var expected = new ClientTask
        {
            Round = 3,
            Work = new LocalWork(3, 0),
            BatchSize = 8,
            LearningRate = 0.1,
            ClipNorm = 2,
            Weighting = new ClientWeighting(true, 77),
        };
        Assert.Equal(expected, plan.TaskFor(3, 10));
    }
}
