using FedCore.Aggregation.Spooling;
using FedCore.Numerics;

namespace FedCore.Rounds;

/// <summary>What a round engine works with.</summary>
public sealed record RoundEngineOptions
{
    /// <summary>The clock; a simulation's is virtual.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;

    /// <summary>How many threads may work at once, at least 1. The result does not depend on it.</summary>
    public int Threads { get; init; } = System.Environment.ProcessorCount;

    /// <summary>Where vectors are rented.</summary>
    public FlatVectorPool Pool { get; init; } = new();

    /// <summary>Makes room for a number of updates of a length that a robust rule reads again and again; null for room in memory.</summary>
    public Func<int, long, IUpdateSpool>? NewSpool { get; init; }

    /// <summary>Where the server's state is kept; null to keep none.</summary>
    public ICheckpointStore? Checkpoints { get; init; }

    /// <summary>A digest of what decides the result beside the run definition, such as the simulated data.</summary>
    public string Environment { get; init; } = "";

    /// <summary>Hears of every fact after it was kept.</summary>
    public IProgress<RunEvent>? Progress { get; init; }
}
