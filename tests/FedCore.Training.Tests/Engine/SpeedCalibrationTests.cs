using System.Diagnostics;
using FedCore.Models;
using FedCore.Rounds;
using FedCore.Strategies;
using FedCore.Training.Data;
using FedCore.Training.Engine;

namespace FedCore.Training.Tests.Engine;

[Collection(Alone.Name)]
public class SpeedCalibrationTests
{
    [Fact]
    public async Task It_finds_about_the_speed_that_training_has()
    {
        RunPlan plan = Plans.Of(Plans.EveryLayer);
        ClientData data = RandomClient.ExamplesFor(plan);
        using ITrainingWorkspace workspace = new EmbeddedTrainer().CreateWorkspace(plan);
        using ModelState model = ModelState.Initialize(plan.Model, Draw.Stream("model"));
        var work = new ClientTask { Round = 1, Work = new LocalWork(0, 1), BatchSize = plan.Definition.Training.BatchSize, LearningRate = 0.1 };
        var task = new TrainTask(work, 1, 0, 1, model, plan.TrainLayout, null);
        const int steps = 2000;
        double best = 0, found = 0;
        for (int repetition = 0; repetition < 5; repetition++)
        {
            long start = Stopwatch.GetTimestamp();
            await workspace.TrainAsync(task, "site", data, steps, RandomClient.State, TestContext.Current.CancellationToken);
            best = Math.Max(best, steps * Math.Min(work.BatchSize, data.Train.Count) / Stopwatch.GetElapsedTime(start).TotalSeconds);
            found = Math.Max(found, await SpeedCalibration.MeasureAsync(
                new EmbeddedTrainer(), plan, data, TimeSpan.FromMilliseconds(100), TimeProvider.System, TestContext.Current.CancellationToken));
        }

        // Other programs may run beside it, so of both the best of five by turns, each of which they slow down at times.
        Assert.InRange(found, best / 4, best * 4);
    }

    [Fact]
    public async Task It_measures_by_the_clock_that_it_is_given()
    {
        RunPlan plan = Plans.Of(Plans.EveryLayer);
        ClientData data = RandomClient.ExamplesFor(plan);
        double found = await SpeedCalibration.MeasureAsync(
            new EmbeddedTrainer(), plan, data, TimeSpan.FromSeconds(1), new SecondPerLook(), TestContext.Current.CancellationToken);
        Assert.Equal(Math.Min(plan.Definition.Training.BatchSize, data.Train.Count), found);
    }

    // A second passes from look to look, so the first step takes one.
    private sealed class SecondPerLook : TimeProvider
    {
        private long _looks;

        public override long TimestampFrequency => 1;

        public override long GetTimestamp() => _looks++;
    }
}
