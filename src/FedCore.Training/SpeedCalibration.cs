using FedCore.Models;
using FedCore.Rounds;
using FedCore.Strategies;
using FedCore.Training.Data;

namespace FedCore.Training;

/// <summary>Measures how fast this machine trains a run's model, so that the server can plan by it. Nothing of what is trained is kept.</summary>
public static class SpeedCalibration
{
    /// <summary>Trains for a moment, and looks at the clock.</summary>
    /// <param name="trainer">What trains.</param>
    /// <param name="plan">The run.</param>
    /// <param name="data">Examples of this site, at least one for training.</param>
    /// <param name="duration">How long to train at least; a tenth of a second is enough where the machine is not busy with other things.</param>
    /// <param name="clock">The clock.</param>
    /// <param name="ct">Cancels the measurement.</param>
    /// <returns>Examples per second: <see cref="ClientDescriptor.ExamplesPerSecond"/>.</returns>
    public static async ValueTask<double> MeasureAsync(
        ITrainer trainer, RunPlan plan, ClientData data, TimeSpan duration, TimeProvider clock, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(trainer);
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(data);
        ArgumentNullException.ThrowIfNull(clock);
        using ITrainingWorkspace workspace = trainer.Open(plan);
        using var server = new ServerState(ModelState.Initialize(plan.Model, plan.World.Stream("model")));
        using var state = new InMemoryClientState();
        IStrategy strategy = plan.Definition.Strategy;
        ClientTask work = strategy.Plan(new RoundContext(plan, 1, 1), new ClientDescriptor(0, new ClientId("calibration")));
        var task = new TrainTask(work, 1, 0, 1, server.Model, plan.TrainLayout, null)
        {
            Broadcasts = strategy.Broadcasts.ToDictionary(name => name, name => server.Vector(name)),
        };
        double batch = plan.Privacy?.BatchRate is { } rate ? rate * data.Train.Count : work.BatchSize == 0 ? data.Train.Count : Math.Min(work.BatchSize, data.Train.Count);

        // The first step waits for its code to be compiled. Then twice as many each time, until they take long enough to be timed.
        await workspace.TrainAsync(task, "calibration", data, 1, state, ct).ConfigureAwait(false);
        for (int steps = 1; ; steps = checked(steps * 2))
        {
            long start = clock.GetTimestamp();
            await workspace.TrainAsync(task, "calibration", data, steps, state, ct).ConfigureAwait(false);
            TimeSpan elapsed = clock.GetElapsedTime(start);
            if (elapsed >= duration) return steps * batch / elapsed.TotalSeconds;
        }
    }
}
