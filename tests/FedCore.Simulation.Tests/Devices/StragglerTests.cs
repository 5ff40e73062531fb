using FedCore.Rounds;
using FedCore.Simulation.Devices;
using FedCore.Strategies;

namespace FedCore.Simulation.Tests.Devices;

/// <summary>Stragglers as section 5.2 of the FedProx paper describes them.</summary>
public class StragglerTests
{
    private static readonly RoundPolicy Policy = new() { Count = 20, DeadlineSeconds = 100, MinimumReports = 1 };

    [Theory]
    [InlineData(0, 0)]
    [InlineData(0.5, 10)]
    [InlineData(0.9, 18)]
    [InlineData(0.52, 10)]
    [InlineData(0.53, 11)]
    public async Task Exactly_the_share_of_every_cohort_is_late(double share, int late)
    {
        using SimulationResult result = await SmallRun.RunAsync(SmallRun.Plan(Policy), new SimulationOptions { Stragglers = new Stragglers { Share = share } }, clients: 20);
        Assert.All(result.State.Rounds, round => Assert.Equal(late, round.Clients.Count(client => client.Outcome == ClientOutcome.Late)));
    }

    [Fact]
    public async Task Other_clients_straggle_in_other_rounds()
    {
        using SimulationResult result = await SmallRun.RunAsync(SmallRun.Plan(Policy), new SimulationOptions { Stragglers = new Stragglers { Share = 0.5 } }, clients: 20);
        Assert.InRange(result.State.Rounds.Select(round => string.Join(' ', round.Clients.Select(client => client.Outcome))).Distinct().Count(), 18, 20);
    }

    // Five epochs of three batches: 3, 6, 9 or 12 steps of 15, each equally often; limits are five deviations of a binomial(400, 1/4).
    [Fact]
    public async Task Partial_work_is_one_to_all_but_one_epoch_evenly()
    {
        var trainer = new SmallRun.CountingTrainer();
        RunPlan plan = SmallRun.Plan(Policy, new FedProx(), new TrainingPlan { Epochs = 5, BatchSize = 6, LearningRate = 0.01 });
        using SimulationResult result = await SmallRun.RunAsync(plan, new SimulationOptions { Stragglers = new Stragglers { Share = 1 }, Trainer = trainer }, clients: 20);
        Dictionary<int, int> steps = trainer.Tasks.CountBy(task => task.Steps).ToDictionary();
        Assert.Equal([3, 6, 9, 12], steps.Keys.Order());
        Assert.All(steps.Values, count => Assert.InRange(count, 100 - 43, 100 + 43));
    }

    [Fact]
    public async Task With_one_epoch_partial_work_is_a_share_of_the_steps()
    {
        var trainer = new SmallRun.CountingTrainer();
        RunPlan plan = SmallRun.Plan(Policy, new FedProx(), new TrainingPlan { Epochs = 1, BatchSize = 2, LearningRate = 0.01 });
        using SimulationResult result = await SmallRun.RunAsync(plan, new SimulationOptions { Stragglers = new Stragglers { Share = 1 }, Trainer = trainer }, clients: 20);
        Assert.Equal(Enumerable.Range(1, 8), trainer.Tasks.Select(task => task.Steps).Distinct().Order());
    }

    // One step has no part that could be sent.
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task With_one_step_a_straggler_is_late(bool partial)
    {
        RunPlan plan = SmallRun.Plan(Policy with { Count = 1 }, new FedProx { PartialWork = partial }, new TrainingPlan { Epochs = 1, BatchSize = 0, LearningRate = 0.01 });
        using SimulationResult result = await SmallRun.RunAsync(plan, new SimulationOptions { Stragglers = new Stragglers { Share = 0.5 } }, clients: 20);
        Assert.Equal(10, result.State.Rounds[0].Clients.Count(client => client.Outcome == ClientOutcome.Late));
    }

    [Fact]
    public async Task Stragglers_without_a_deadline_are_refused()
    {
        var fault = await Assert.ThrowsAsync<FedCoreException>(() => SmallRun.RunAsync(SmallRun.Plan(), new SimulationOptions { Stragglers = new Stragglers { Share = 0.5 } }));
        Assert.Equal("simulation.stragglers", fault.Code);
    }
}
