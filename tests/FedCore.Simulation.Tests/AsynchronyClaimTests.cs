using FedCore.Rounds;
using FedCore.Rounds.Selection;
using FedCore.Simulation.Devices;

namespace FedCore.Simulation.Tests;

/// <summary>
/// What buffered runs and work by deadline gain on mixed hardware, in virtual time: 1,000 clients with 60 images each, whose speeds are log-normal so that of
/// the middle 95 % the fastest is 20 times as fast as the slowest.
/// </summary>
[Trait("Category", "Slow")]
public class AsynchronyClaimTests
{
    private const int Clients = 1000, AtWork = 100;

    // ln 20 / (2 x 1.96): the 97.5 % quantile is 20 times the 2.5 % quantile.
    private static readonly DeviceProfile Device = new() { Name = "any", ExamplesPerSecond = 10, SpeedSpread = Math.Log(20) / (2 * 1.96) };

    private static readonly TrainingPlan Training = new() { Epochs = 1, BatchSize = 20, LearningRate = 0.05 };

    // Nguyen et al. 2022, section 5, with as many clients at work at a time in all three.
    [Fact]
    public async Task A_buffered_run_reaches_80_percent_in_less_time_than_rounds_do()
    {
        double all = 0, overSelected = 0, buffered = 0;
        for (int seed = 1; seed <= 3; seed++)
        {
            all += await SecondsTo80Async(new RoundPolicy { Count = 500, Cohort = new UniformSelection { Size = AtWork } }, seed, evaluateEvery: 5);
            overSelected += await SecondsTo80Async(
                new RoundPolicy { Count = 500, Cohort = new UniformSelection { Size = AtWork * 10 / 13 }, OverSelection = 0.3 }, seed, evaluateEvery: 5);
            buffered += await SecondsTo80Async(
                new RoundPolicy { Count = 5000, Cohort = new UniformSelection { Size = AtWork }, Buffer = new BufferPolicy { Size = 10 } }, seed, evaluateEvery: 25);
        }

        TestContext.Current.SendDiagnosticMessage($"virtual seconds to 80 %: all {all / 3:F0}, over-selection {overSelected / 3:F0}, buffered {buffered / 3:F0}");
        Assert.True(buffered <= all / 2, $"{buffered} {all}");
        Assert.True(buffered <= overSelected, $"{buffered} {overSelected}");
    }

    [Fact]
    public async Task Work_by_deadline_makes_rounds_a_third_as_long_and_learns_as_well()
    {
        double waiting = 0, planned = 0;
        var accuracies = new double[2];
        for (int seed = 1; seed <= 3; seed++)
        {
            var rounds = new RoundPolicy { Count = 300, Cohort = new UniformSelection { Size = AtWork } };
            (double seconds, double accuracy) = await RunAsync(rounds, seed);
            waiting += seconds;
            accuracies[0] += accuracy / 3;
            (seconds, accuracy) = await RunAsync(rounds with { DeadlineSeconds = 14, WorkPlanning = new WorkPlanning(), MinimumReports = AtWork / 2 }, seed);
            planned += seconds;
            accuracies[1] += accuracy / 3;
        }

        TestContext.Current.SendDiagnosticMessage($"seconds a round: waiting {waiting / 900:F1}, by deadline {planned / 900:F1}; accuracy {accuracies[0]:F4}, {accuracies[1]:F4}");
        Assert.True(planned <= waiting / 3, $"{planned} {waiting}");
        Assert.Equal(accuracies[0], accuracies[1], 0.01);
    }

    private static async Task<double> SecondsTo80Async(RoundPolicy rounds, long seed, int evaluateEvery)
    {
        RunPlan plan = FashionMnist.Plan(Training, rounds, seed, run => run with
        {
            Stop = new StopRule { Metric = "accuracy", AtLeast = 0.8 },
            Evaluation = new EvaluationPlan { Every = evaluateEvery },
        });
        using SimulationResult result = await FashionMnist.RunAsync(plan, Clients, new SimulationOptions { Devices = [Device] });
        Assert.Equal(RunEnded.TargetReached, result.End.Code);
        return (result.State.Rounds[^1].Closed - result.State.Rounds[0].Opened).TotalSeconds;
    }

    private static async Task<(double Seconds, double Accuracy)> RunAsync(RoundPolicy rounds, long seed)
    {
        RunPlan plan = FashionMnist.Plan(Training, rounds, seed, run => run with { Evaluation = new EvaluationPlan { Every = rounds.Count } });
        using SimulationResult result = await FashionMnist.RunAsync(plan, Clients, new SimulationOptions { Devices = [Device] });
        return ((result.State.Rounds[^1].Closed - result.State.Rounds[0].Opened).TotalSeconds, result.Metrics["accuracy"]);
    }
}
