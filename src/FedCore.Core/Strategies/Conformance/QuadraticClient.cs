using FedCore.Numerics;
using FedCore.Optimizers;
using FedCore.Rounds;
using FedCore.Updates;

namespace FedCore.Strategies.Conformance;

/// <summary>
/// A client whose loss is F(w) = 1/2 sum_j a_j (w_j - b_j)², so that everything a strategy does to it can be reckoned on paper. It stands for a site with a
/// number of examples, every one of them the same.
/// </summary>
internal sealed class QuadraticClient(float[] curvature, float[] optimum, long examples) : IClientContext, ILocalModel, IDisposable
{
    private readonly FlatVector _velocity = new(optimum.Length);
    private IStrategy _strategy = null!;
    private TrainTask _task = null!;
    private IClientState _state = null!;
    private double _losses;
    private long _counted;

    /// <summary>The a_j.</summary>
    public IReadOnlyList<float> Curvature => curvature;

    /// <summary>The b_j.</summary>
    public IReadOnlyList<float> Optimum => optimum;

    /// <summary>How many steps it takes whatever it is told; null for what the task says.</summary>
    public int? FixedSteps { get; init; }

    public ClientTask Task => _task.Work;

    public long ExampleCount => examples;

    public int Steps => FixedSteps ?? Task.StepsFor(examples);

    public FlatVector Global => _task.Model.Trainable;

    public ILocalModel Model => this;

    public OptimizerSpec Optimizer { get; private set; } = null!;

    public IClientState State => _strategy.KeepsClientState ? _state : throw new InvalidOperationException(
        $"{_strategy.GetType().Name} keeps a state at its clients without saying so. Let {nameof(IStrategy.KeepsClientState)} be true.");

    public FlatVector Parameters { get; } = new(optimum.Length);

    public FlatVector Gradients { get; } = new(optimum.Length);

    /// <summary>Begins with a task.</summary>
    public void Begin(RunDefinition run, TrainTask task, IClientState state)
    {
        (_strategy, _task, _state, Optimizer) = (run.Strategy, task, state, run.Training.Optimizer);
        Parameters.CopyFrom(Global);
        _velocity.Clear();
        (_losses, _counted) = (0, 0);
    }

    public FlatVector Broadcast(string name) => _task.Broadcasts.TryGetValue(name, out FlatVector? vector) ? vector : throw new ArgumentException(
        $"The server sends no vector '{name}' along with the model. Name it among the strategy's {nameof(IStrategy.Broadcasts)}.", nameof(name));

    public double EvaluateLoss()
    {
        double loss = 0;
        for (int j = 0; j < curvature.Length; j++)
        {
            double distance = Parameters.AsSpan()[j] - optimum[j];
            loss += 0.5 * curvature[j] * distance * distance;
        }

        return loss;
    }

    public void TrainStep(float learningRate)
    {
        ComputeGradients();
        Step(learningRate);
    }

    public void ComputeGradients()
    {
        _losses += EvaluateLoss();
        _counted++;
        for (int j = 0; j < curvature.Length; j++) Gradients.AsSpan()[j] = curvature[j] * (Parameters.AsSpan()[j] - optimum[j]);
    }

    // Momentum as SgdSpec defines it; other optimizers step as plain gradient descent.
    public void Step(float learningRate)
    {
        SgdSpec sgd = Optimizer as SgdSpec ?? new SgdSpec();
        Span<float> velocity = _velocity.AsSpan(), gradient = Gradients.AsSpan(), w = Parameters.AsSpan();
        for (int j = 0; j < w.Length; j++)
        {
            velocity[j] = (float)sgd.Momentum * velocity[j] + gradient[j];
            w[j] -= learningRate * (sgd.Nesterov ? gradient[j] + (float)sgd.Momentum * velocity[j] : velocity[j]);
        }
    }

    public void WriteMetrics(Update update)
    {
        update.Scalar(MetricLayout.Examples) += _counted;
        update.Scalar(MetricLayout.Loss) += _losses;
    }

    public void Dispose()
    {
        _velocity.Dispose();
        Parameters.Dispose();
        Gradients.Dispose();
    }
}
