using FedCore.Rounds;
using FedCore.Rounds.Privacy;
using FedCore.Strategies;
using FedCore.Training.Data;
using FedCore.Updates;

namespace FedCore.Training;

/// <summary>What trains a model at a site. Registered by name; public properties are its parameters.</summary>
public interface ITrainer
{
    /// <summary>
    /// Whether it hides single examples where a run wants that (<see cref="RunPrivacy.IsAtSites"/>): draws batches in secret, clips the gradient of each example, and adds the noise. No other may
    /// train in such a run.
    /// </summary>
    bool HidesExamples => false;

    /// <summary>Makes room for training a run's model, unless it could not keep what the run promises.</summary>
    /// <param name="plan">The run.</param>
    /// <returns>The workspace.</returns>
    /// <exception cref="FedCoreException">The run hides examples, and the trainer does not (<c>privacy.trainer</c>).</exception>
    sealed ITrainingWorkspace Open(RunPlan plan)
    {
        ArgumentNullException.ThrowIfNull(plan);
        return plan.Privacy is not { IsAtSites: true } || HidesExamples
            ? CreateWorkspace(plan)
            : throw FedCoreException.Configuration("privacy.trainer", $"The run hides single examples (privacy.unit is \"example\"), which the trainer {GetType().Name} does not. Use the embedded engine.");
    }

    /// <summary>Makes room for training a run's model. One per worker thread, never per client.</summary>
    /// <param name="plan">The run.</param>
    /// <returns>The workspace.</returns>
    ITrainingWorkspace CreateWorkspace(RunPlan plan);
}

/// <summary>A model with its buffers, used for one client after the other. Not for several threads at once.</summary>
public interface ITrainingWorkspace : IDisposable
{
    /// <summary>
    /// How many batches were done since the workspace was made, in training and in evaluation. A client asks from another thread while the work goes on, and gives
    /// up a task whose batches have stopped coming for many times as long as the slowest took. Null, where they are not counted: it waits for as long as it takes.
    /// </summary>
    long? Batches => null;

    /// <summary>Runs the client half of the run's strategy on a client's examples.</summary>
    /// <param name="task">The task. All training tasks of a round carry the same model, which stands still meanwhile.</param>
    /// <param name="site">The client's name, which keys its random streams.</param>
    /// <param name="data">Its examples, at least one for training.</param>
    /// <param name="steps">How many local steps to take.</param>
    /// <param name="state">What the client keeps from round to round.</param>
    /// <param name="ct">Cancels the training.</param>
    /// <returns>The update, in the workspace's memory: valid until the next call.</returns>
    ValueTask<Update> TrainAsync(TrainTask task, string site, ClientData data, int steps, IClientState state, CancellationToken ct);

    /// <summary>Computes metric sums on a client's examples.</summary>
    /// <param name="task">The task.</param>
    /// <param name="site">The client's name, which keys its random streams.</param>
    /// <param name="data">Its examples.</param>
    /// <param name="state">What the client keeps from round to round; it is read only.</param>
    /// <returns>The sums, in the workspace's memory: valid until the next call.</returns>
    Update Evaluate(EvaluateTask task, string site, ClientData data, IClientState state);
}
