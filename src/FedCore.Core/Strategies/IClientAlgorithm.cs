using FedCore.Numerics;
using FedCore.Optimizers;
using FedCore.Rounds;
using FedCore.Updates;

namespace FedCore.Strategies;

/// <summary>The half of a strategy that runs at a site, on the site's data. Most derive from <see cref="LocalTraining"/>.</summary>
public interface IClientAlgorithm
{
    /// <summary>Does the client's work for one round.</summary>
    /// <param name="context">The task, the global model and the site's trainer.</param>
    /// <param name="update">Receives the sections of the update.</param>
    /// <param name="ct">Cancels the work.</param>
    /// <returns>A task that ends when the update is written.</returns>
    ValueTask RunAsync(IClientContext context, Update update, CancellationToken ct);
}

/// <summary>What a client algorithm may see and use at its site.</summary>
public interface IClientContext
{
    /// <summary>What the server asks for.</summary>
    ClientTask Task { get; }

    /// <summary>Number of training examples at the site, at least 1.</summary>
    long ExampleCount { get; }

    /// <summary>How many local steps to take: the task's work on this site's examples, less what the device cannot finish in time.</summary>
    int Steps { get; }

    /// <summary>The global model's trainable values. Read only.</summary>
    FlatVector Global { get; }

    /// <summary>The site's copy of the model, at the global model's values.</summary>
    ILocalModel Model { get; }

    /// <summary>What steps along the gradients.</summary>
    OptimizerSpec Optimizer { get; }

    /// <summary>What the client keeps from round to round. For strategies that say so (<see cref="IStrategy.KeepsClientState"/>).</summary>
    IClientState State { get; }

    /// <summary>A vector of the server that was sent along with the model. Read only.</summary>
    /// <param name="name">One of the strategy's <see cref="IStrategy.Broadcasts"/>.</param>
    /// <returns>The vector, of the model's length.</returns>
    FlatVector Broadcast(string name);

    /// <summary>The run.</summary>
    RunDefinition Run => throw new NotSupportedException($"{GetType().Name} has no run.");

    /// <summary>
    /// The mean, over the site's training examples, of numbers that are made of each. For strategies that say so (<see cref="IStrategy.TakesExampleMeans"/>), once in a task; where the run hides
    /// examples, with noise for one example's part.
    /// </summary>
    /// <param name="map">Makes the numbers.</param>
    /// <param name="mean">Receives them.</param>
    void WriteExampleMean(ExampleMap map, Span<float> mean) => throw new NotSupportedException($"{GetType().Name} has no examples.");

    /// <summary>The mean loss of <see cref="Model"/>, as it now is, over the site's training examples.</summary>
    /// <returns>The loss.</returns>
    double EvaluateLoss();
}

/// <summary>A model in training at a site. Parameters and gradients are flat vectors in the schema's order.</summary>
public interface ILocalModel
{
    /// <summary>The local parameters.</summary>
    FlatVector Parameters { get; }

    /// <summary>The gradients of the last batch: of the mean loss over the batch.</summary>
    FlatVector Gradients { get; }

    /// <summary>Goes to the next batch, computes <see cref="Gradients"/> and steps, in one go where the optimizer allows it.</summary>
    /// <param name="learningRate">The step size.</param>
    void TrainStep(float learningRate);

    /// <summary>Goes to the next batch and computes <see cref="Gradients"/>.</summary>
    void ComputeGradients();

    /// <summary>Lets the optimizer step along <see cref="Gradients"/>.</summary>
    /// <param name="learningRate">The step size.</param>
    void Step(float learningRate);

    /// <summary>Adds the metric sums over all batches so far to the update's sections; where it has none for them, as under differential privacy, nothing.</summary>
    /// <param name="update">The update.</param>
    void WriteMetrics(Update update);
}
