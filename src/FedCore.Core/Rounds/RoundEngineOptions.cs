using FedCore.Aggregation;
using FedCore.Numerics;
using FedCore.Privacy.Sampling;
using FedCore.Rounds.Privacy;

namespace FedCore.Rounds;

/// <summary>What a round engine works with.</summary>
public sealed record RoundEngineOptions
{
    /// <summary>The clock; a simulation's is virtual.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;

    /// <summary>How many threads may work at once, at least 1. The result does not depend on it.</summary>
    public int Threads { get; init; } = System.Environment.ProcessorCount;

    /// <summary>
    /// Where vectors are rented: sums, what robust rules keep, versions of the model. Its storage decides from which size on they lie in files; where the server's model shall lie,
    /// and with it what strategies keep, was decided when the model was made.
    /// </summary>
    public FlatVectorPool Pool { get; init; } = new();

    /// <summary>How many bytes of partial sums may wait for others, 0 or more: with more, threads whose updates take different times to get wait less.</summary>
    public long PartialSumBytes { get; init; } = AggregationResources.DefaultPartialSumBytes;

    /// <summary>Where the server's state is kept; null to keep none.</summary>
    public ICheckpointStore? Checkpoints { get; init; }

    /// <summary>A digest of what decides the result beside the run definition, such as the simulated data.</summary>
    public string Environment { get; init; } = "";

    /// <summary>Hears of every fact after it was kept.</summary>
    public IProgress<RunEvent>? Progress { get; init; }

    /// <summary>Whether secure sums are formed without masks: in the same ring, with the same result, and with nothing kept from the aggregator. For simulations only.</summary>
    public bool SumsInTheOpen { get; init; }

    /// <summary>Where is written down what rounds show of the clients' data, over all runs; null where nobody keeps account.</summary>
    public IPrivacyLedger? Ledger { get; init; }

    /// <summary>
    /// Where random bytes come from on which privacy rests, by purpose and round: noise, and cohorts whose members are secret. By default the operating system's generator; only a simulation, which
    /// protects nobody, has others.
    /// </summary>
    public Func<string, int, RandomBytes> PrivateRandom { get; init; } = static (_, _) => new SystemRandomBytes();

    /// <summary>
    /// The secret of noise in trees. A run that is taken up with the same key goes on with its tree; with another it begins a new one, which costs by itself. By default one of the process.
    /// </summary>
    public NoiseKey NoiseKey { get; init; } = NoiseKey.OfProcess;
}
