using FedCore.Rounds;
using FedCore.Simulation.Devices;
using FedCore.Strategies;

namespace FedCore.Simulation.Tests.Devices;

/// <summary>Virtual devices in whole runs: 18 training examples, two epochs of three batches, at given examples per second.</summary>
public class DeviceTests
{
    [Fact]
    public async Task Devices_that_need_longer_than_the_calendar_are_a_fault_and_no_overflow()
    {
        var options = new SimulationOptions { Devices = [new DeviceProfile { Name = "stone", ExamplesPerSecond = 1e-300 }] };
        var fault = await Assert.ThrowsAsync<FedCoreException>(() => SmallRun.RunAsync(SmallRun.Plan(), options));
        Assert.Equal("simulation.time", fault.Code);
    }

    // The clock begins at midnight and a round takes five hours; whoever is asked by 20:00 may work on behind it.
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Where_all_are_asleep_a_round_waits_until_the_first_wakes_up(bool choosesAvailable)
    {
        var window = new AvailabilityWindow { From = new TimeOnly(8, 0), To = new TimeOnly(20, 0) };
        RunPlan plan = SmallRun.Plan(new RoundPolicy
        {
            Count = 7,
            Cohort = choosesAvailable ? new Rounds.Selection.RoundRobinSelection { Size = 4 } : new Rounds.Selection.UniformSelection { Size = 4 },
        });
        using SimulationResult result = await SmallRun.RunAsync(plan, Options(new DeviceProfile { Name = "d", ExamplesPerSecond = 36 / (5 * 3600.0), Online = [window] }));
        Assert.All(result.State.Rounds, round => Assert.True(round.Committed));
        Assert.Equal([8, 13, 18, 8, 13, 18, 8], result.State.Rounds.Select(round => (int)Math.Round(round.Opened.TimeOfDay.TotalHours)));
    }

    // Half of the devices need a minute for a step. They are told so without a model being sent.
    [Fact]
    public async Task Bytes_are_counted_of_those_who_got_a_task_and_the_plan_is_what_the_task_came_to()
    {
        RunPlan plan = SmallRun.Plan(
            new RoundPolicy { Count = 3, DeadlineSeconds = 30, WorkPlanning = new WorkPlanning { Margin = 0 }, MinimumReports = 1 },
            change: run => run with { Disclosures = [Disclosure.Timing] });
        using SimulationResult result = await SmallRun.RunAsync(
            plan, Options(new DeviceProfile { Name = "fast", ExamplesPerSecond = 9 }, new DeviceProfile { Name = "slow", ExamplesPerSecond = 0.1 }), clients: 20);
        Assert.All(result.State.Rounds, round =>
        {
            ClientReceipt[] sent = [.. round.Clients.Where(client => client.Outcome == ClientOutcome.Reported)];
            Assert.InRange(sent.Length, 1, 19);
            Assert.Equal(sent.Length * plan.TaskBytes, round.BytesDown);

            // Two passes of 18 examples in batches of 6; 30 seconds would be enough for 45 steps.
            Assert.All(sent, client => Assert.Equal((6, 6), (client.Work!.Planned, client.Work.Done)));
        });
    }

    // 36 examples at 9 per second.
    [Fact]
    public async Task A_round_takes_as_long_as_its_slowest_device()
    {
        using SimulationResult result = await SmallRun.RunAsync(SmallRun.Plan(), Options(new DeviceProfile { Name = "d", ExamplesPerSecond = 9 }));
        Assert.All(result.State.Rounds, round => Assert.Equal(4, (round.Closed - round.Opened).TotalSeconds, 1e-6));
    }

    // 21 parameters of 4 bytes down; the same and five doubles up: 84 / 42 + 124 / 31 seconds.
    [Fact]
    public async Task Links_add_the_time_of_the_model_and_the_update()
    {
        RunPlan plan = SmallRun.Plan();
        var profile = new DeviceProfile { Name = "d", ExamplesPerSecond = 9, DownBytesPerSecond = 42, UpBytesPerSecond = plan.TrainLayout.ByteLength / 4.0 };
        using SimulationResult result = await SmallRun.RunAsync(plan, Options(profile));
        Assert.Equal(2 + 4 + 4, (result.State.Rounds[0].Closed - result.State.Rounds[0].Opened).TotalSeconds, 1e-6);
    }

    [Fact]
    public async Task Devices_that_miss_the_deadline_are_late_and_are_never_computed()
    {
        var trainer = new SmallRun.CountingTrainer();
        RunPlan plan = SmallRun.Plan(new RoundPolicy { Count = 6, DeadlineSeconds = 4, MinimumReports = 1 });
        using SimulationResult result = await SmallRun.RunAsync(
            plan, Options(new DeviceProfile { Name = "fast", ExamplesPerSecond = 18 }, new DeviceProfile { Name = "slow", ExamplesPerSecond = 6 }) with { Trainer = trainer }, clients: 30);
        ClientReceipt[] receipts = [.. result.State.Rounds.SelectMany(round => round.Clients)];
        Assert.InRange(receipts.Count(client => client.Outcome == ClientOutcome.Late), 1, 30 * 6 - 1);
        Assert.Equal(receipts.Count(client => client.Outcome == ClientOutcome.Reported), trainer.Trained);
    }

    [Fact]
    public async Task Whoever_is_left_out_by_over_selection_is_never_computed()
    {
        var trainer = new SmallRun.CountingTrainer();
        RunPlan plan = SmallRun.Plan(new RoundPolicy { Count = 5, Cohort = new Rounds.Selection.UniformSelection { Size = 10 }, OverSelection = 0.5 });
        using SimulationResult result = await SmallRun.RunAsync(
            plan, Options(new DeviceProfile { Name = "d", SpeedSpread = 1 }) with { Trainer = trainer }, clients: 40);
        Assert.Equal((5 * 15, 5 * 10), (result.State.Rounds.Sum(round => round.Clients.Count), trainer.Trained));
    }

    // In 3 seconds a device with 6 examples per second does 18 examples, three of its six batches.
    [Theory]
    [InlineData(true, ClientOutcome.Reported)]
    [InlineData(false, ClientOutcome.Late)]
    public async Task A_device_that_cannot_finish_sends_what_it_has_where_the_strategy_takes_it(bool partial, ClientOutcome outcome)
    {
        var trainer = new SmallRun.CountingTrainer();
        RunPlan plan = SmallRun.Plan(new RoundPolicy { Count = 1, DeadlineSeconds = 3, MinimumReports = 1 }, new FedProx { PartialWork = partial });
        RoundReceipt? receipt = null;
        SimulationOptions options = Options(new DeviceProfile { Name = "d", ExamplesPerSecond = 6 }) with
        {
            Trainer = trainer,
            Progress = new SmallRun.Direct(fact => receipt ??= (fact as RoundEnded)?.Receipt),
        };

        // With nobody in its only round the run fails.
        Exception? fault = await Record.ExceptionAsync(async () => (await SmallRun.RunAsync(plan, options)).Dispose());
        Assert.Equal(partial ? null : "run.abandoned", (fault as FedCoreException)?.Code);
        Assert.All(receipt!.Clients, client => Assert.Equal(outcome, client.Outcome));
        Assert.All(trainer.Tasks, task => Assert.Equal(3, task.Steps));
    }

    // Whoever sends what it has at the deadline is in time, to the last tick of the clock.
    [Theory]
    [InlineData(0.7)]
    [InlineData(1.1)]
    [InlineData(2.3)]
    [InlineData(3.3)]
    [InlineData(4.35)]
    [InlineData(5.0000001)]
    public async Task Partial_work_at_a_deadline_with_a_fraction_is_in_time(double deadline)
    {
        RunPlan plan = SmallRun.Plan(new RoundPolicy { Count = 5, DeadlineSeconds = deadline, MinimumReports = 1 }, new FedProx());
        using SimulationResult result = await SmallRun.RunAsync(plan, Options(new DeviceProfile { Name = "d", ExamplesPerSecond = 6.1 / deadline }));
        Assert.DoesNotContain(result.State.Rounds.SelectMany(round => round.Clients), client => client.Outcome != ClientOutcome.Reported);
    }

    // Binomial(1000, 0.7), five deviations.
    [Fact]
    public async Task Devices_that_are_not_available_decline()
    {
        RunPlan plan = SmallRun.Plan(new RoundPolicy { Count = 10, MinimumReports = 1 });
        using SimulationResult result = await SmallRun.RunAsync(plan, Options(new DeviceProfile { Name = "d", Availability = 0.7 }), clients: 100);
        ClientReceipt[] declined = [.. result.State.Rounds.SelectMany(round => round.Clients).Where(client => client.Outcome == ClientOutcome.Declined)];
        Assert.InRange(declined.Length, 300 - 73, 300 + 73);
        Assert.All(declined, client => Assert.Equal("client.unavailable", client.Reason));
    }

    [Fact]
    public async Task Devices_that_vanish_are_lost_and_the_server_knows_after_their_liveness()
    {
        RunPlan plan = SmallRun.Plan(new RoundPolicy { Count = 10, MinimumReports = 1 });
        using SimulationResult result = await SmallRun.RunAsync(
            plan, Options(new DeviceProfile { Name = "d", Dropout = 0.3, LivenessSeconds = 1000, ExamplesPerSecond = 9 }), clients: 100);
        Assert.InRange(result.State.Rounds.SelectMany(round => round.Clients).Count(client => client.Outcome == ClientOutcome.Lost), 300 - 73, 300 + 73);
        Assert.All(result.State.Rounds, round => Assert.InRange((round.Closed - round.Opened).TotalSeconds, 1000, 1004));
    }

    [Fact]
    public async Task Devices_keep_their_profile_from_round_to_round()
    {
        RunPlan plan = SmallRun.Plan(new RoundPolicy { Count = 5, DeadlineSeconds = 4, MinimumReports = 1 });
        using SimulationResult result = await SmallRun.RunAsync(
            plan, Options(new DeviceProfile { Name = "fast", ExamplesPerSecond = 18 }, new DeviceProfile { Name = "slow", ExamplesPerSecond = 6 }), clients: 30);
        Assert.Single(result.State.Rounds.Select(round => string.Join(' ', round.Clients.Select(client => client.Outcome))).Distinct());
    }

    // Of 400 clients a quarter, five deviations of a binomial.
    [Fact]
    public async Task Profiles_are_dealt_out_by_their_shares()
    {
        RunPlan plan = SmallRun.Plan(new RoundPolicy { Count = 1, DeadlineSeconds = 4, MinimumReports = 1 });
        using SimulationResult result = await SmallRun.RunAsync(
            plan, Options(new DeviceProfile { Name = "fast", ExamplesPerSecond = 18, Share = 3 }, new DeviceProfile { Name = "slow", ExamplesPerSecond = 6, Share = 1 }), clients: 400);
        Assert.InRange(result.State.Rounds[0].Clients.Count(client => client.Outcome == ClientOutcome.Late), 100 - 44, 100 + 44);
    }

    private static SimulationOptions Options(params DeviceProfile[] devices) => new() { Devices = devices };
}
