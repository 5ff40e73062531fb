namespace FedCore.Strategies;

/// <summary>What one client is told to do in one round.</summary>
public sealed record ClientTask
{
    /// <summary>The round, from 1.</summary>
    public required int Round { get; init; }

    /// <summary>How much local work to do.</summary>
    public required LocalWork Work { get; init; }

    /// <summary>Examples per batch; 0 for all examples in one.</summary>
    public required int BatchSize { get; init; }

    /// <summary>The local step size of this round.</summary>
    public required double LearningRate { get; init; }

    /// <summary>Gradients are scaled down to at most this Euclidean norm; null for no limit.</summary>
    public double? ClipNorm { get; init; }

    /// <summary>The update is scaled down to at most this Euclidean norm, where the run's clip adapts; null where the run's definition says it all.</summary>
    public double? UpdateClip { get; init; }

    /// <summary>How the client's weight follows from its number of examples.</summary>
    public ClientWeighting Weighting { get; init; }

    /// <summary>
    /// The most steps that the client shall take, which is as much as it can finish by the deadline as far as the server knows; null for no limit.
    /// </summary>
    public int? MaxSteps { get; init; }

    /// <summary>Whether a client that cannot finish by the deadline stops there and sends what it has. Otherwise it is late and is left out.</summary>
    public bool AcceptPartialWork { get; init; }

    /// <summary>The number of steps for a site.</summary>
    /// <param name="examples">Examples at the site, at least 1.</param>
    /// <returns>The number of steps, at least 1.</returns>
    public int StepsFor(long examples) => Math.Min(Work.StepsFor(examples, BatchSize), MaxSteps ?? int.MaxValue);
}

/// <summary>An amount of local work: passes over the site's examples, or a number of steps.</summary>
/// <param name="Epochs">Passes, at least 1; or 0 where <paramref name="Steps"/> counts.</param>
/// <param name="Steps">Steps, at least 1; or 0 where <paramref name="Epochs"/> counts.</param>
public readonly record struct LocalWork(int Epochs, int Steps)
{
    /// <summary>The number of steps for a site; the last batch of an epoch may be smaller.</summary>
    /// <param name="examples">Examples at the site, at least 1.</param>
    /// <param name="batchSize">Examples per batch; 0 for all.</param>
    /// <returns>The number of steps, at least 1.</returns>
    public int StepsFor(long examples, int batchSize) =>
        Steps > 0 ? Steps : checked(Epochs * StepsPerEpoch(examples, batchSize));

    /// <summary>The number of batches in one pass.</summary>
    /// <param name="examples">Examples at the site, at least 1.</param>
    /// <param name="batchSize">Examples per batch; 0 for all.</param>
    /// <returns>The number of batches, at least 1.</returns>
    public static int StepsPerEpoch(long examples, int batchSize) =>
        batchSize == 0 ? 1 : checked((int)((examples + batchSize - 1) / batchSize));
}

/// <summary>How a client's weight follows from its number of examples.</summary>
/// <param name="Uniform">Every client weighs 1.</param>
/// <param name="MaxExamples">With a limit the weight is min(n, limit) / limit, which secure aggregation and privacy need; with 0 it is n.</param>
public readonly record struct ClientWeighting(bool Uniform, long MaxExamples)
{
    /// <summary>Every client weighs 1.</summary>
    public static ClientWeighting One => new(true, 0);

    /// <summary>The most examples that a client may claim. One that read a million of them a second would go through them once in eleven days.</summary>
    internal const long MostExamples = 1_000_000_000_000;

    /// <summary>The weight of a client.</summary>
    /// <param name="examples">Its number of training examples.</param>
    /// <returns>The weight, above 0.</returns>
    public double Of(long examples) => Uniform ? 1 : MaxExamples == 0 ? examples : Math.Min(examples, MaxExamples) / (double)MaxExamples;

    /// <summary>Why no client has a weight.</summary>
    /// <param name="weight">A weight that a client claims.</param>
    /// <returns>What a weight is; null where a client can have this one.</returns>
    internal string? FaultIn(double weight)
    {
        if (Uniform) return weight == 1 ? null : "every client weighs 1";
        if (MaxExamples > 0) return weight >= 1 / (double)MaxExamples && weight <= 1 ? null : $"a client weighs from 1/{MaxExamples} to 1";
        return weight is >= 1 and <= MostExamples && double.IsInteger(weight) ? null : $"a client weighs as much as it has examples, from 1 to {MostExamples}";
    }
}
