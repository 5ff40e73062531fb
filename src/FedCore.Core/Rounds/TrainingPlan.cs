using System.ComponentModel.DataAnnotations;
using FedCore.Optimizers;
using FedCore.Strategies;
using FedCore.Strategies.Schedules;

namespace FedCore.Rounds;

/// <summary>What each client does in a round, unless the strategy plans otherwise.</summary>
public sealed record TrainingPlan
{
    /// <summary>Passes over the client's examples; 1 where neither this nor <see cref="Steps"/> is given.</summary>
    [Range(1, 1_000_000)]
    public int? Epochs { get; init; }

    /// <summary>Steps instead of passes.</summary>
    [Range(1, 100_000_000)]
    public int? Steps { get; init; }

    /// <summary>Examples per step; 0 for all the client has.</summary>
    [Range(0, 1 << 20)]
    public int BatchSize { get; init; } = 32;

    /// <summary>The client's step size in the first round.</summary>
    [Range(0, double.MaxValue, MinimumIsExclusive = true)]
    public required double LearningRate { get; init; }

    /// <summary>How the step size changes from round to round; null for not at all.</summary>
    public ILearningRateSchedule? Schedule { get; init; }

    /// <summary>The client's optimizer.</summary>
    public OptimizerSpec Optimizer { get; init; } = new SgdSpec();

    /// <summary>Gradients are scaled down to at most this Euclidean norm; null for no limit.</summary>
    [Range(0, double.MaxValue, MinimumIsExclusive = true)]
    public double? ClipNorm { get; init; }

    /// <summary>What a client's weight follows from.</summary>
    public WeightBy WeightBy { get; init; } = WeightBy.Examples;

    /// <summary>Examples above this number do not count for the weight, which then is min(n, limit) / limit; null for no limit.</summary>
    [Range(1, long.MaxValue)]
    public long? MaxExamples { get; init; }

    /// <summary>The task of a round.</summary>
    /// <param name="round">The round, from 1.</param>
    /// <param name="rounds">How many rounds the run has.</param>
    /// <param name="samplingRate">The probability with which an example is in a batch, where batches are made so; null for passes.</param>
    /// <returns>The task.</returns>
    internal ClientTask TaskFor(int round, int rounds, double? samplingRate = null) => new()
    {
        Round = round,
        Work = samplingRate is { } rate ? new LocalWork(0, StepsAt(rate)) : Steps is { } steps ? new LocalWork(0, steps) : new LocalWork(Epochs ?? 1, 0),
        BatchSize = samplingRate is null ? BatchSize : 0,
        LearningRate = LearningRate * (Schedule?.Factor(round, rounds) ?? 1),
        ClipNorm = ClipNorm,
        Weighting = new ClientWeighting(WeightBy == WeightBy.Uniform, MaxExamples ?? 0),
    };

    /// <summary>The steps of a round where each example is in a batch with a probability: in one pass as many as make up for all examples.</summary>
    /// <param name="samplingRate">The probability, above 0 and at most 1.</param>
    /// <returns>The number of steps, at least 1.</returns>
    internal int StepsAt(double samplingRate) => Steps ?? (int)Math.Min(int.MaxValue, (Epochs ?? 1) * Math.Ceiling(1 / samplingRate));
}

/// <summary>What a client's weight in the average follows from.</summary>
public enum WeightBy
{
    /// <summary>Its number of training examples.</summary>
    Examples,

    /// <summary>Nothing: every client weighs the same.</summary>
    Uniform,
}
