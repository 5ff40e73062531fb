using System.ComponentModel.DataAnnotations;
using System.Text.Json.Serialization;
using FedCore.Simulation.Devices;
using FedCore.Simulation.Poisoning;
using FedCore.Training.Data;
using FedCore.Training.Partitioning;

namespace FedCore.Simulation;

/// <summary>
/// The <c>simulation</c> section of a run file: where the clients of a simulation come from, and what devices they have. It is not part of the run:
/// on real machines sites have their own data, and the same file runs without it.
/// </summary>
public sealed record SimulationDefinition
{
    /// <summary>A pool of examples, to be dealt out by <see cref="Partition"/>.</summary>
    public IDataSource? Data { get; init; }

    /// <summary>How the pool is dealt out; null for the data's natural clients.</summary>
    public IPartitioner? Partition { get; init; }

    /// <summary>The share of its examples that each client holds back for evaluation, where the data has no test set of its own.</summary>
    [Range(0, 0.9)]
    public double TestFraction { get; init; } = ClientSplit.DefaultTestFraction;

    /// <summary>Generated clients, in place of <see cref="Data"/>.</summary>
    public IClientGenerator? Clients { get; init; }

    /// <summary>The kinds of devices that clients have; none for devices that take no time and never fail.</summary>
    public IReadOnlyList<DeviceProfile> Devices { get; init; } = [];

    /// <summary>Clients that do not finish in time; null for none.</summary>
    public Stragglers? Stragglers { get; init; }

    /// <summary>Clients that want to harm the model; null for none.</summary>
    public Attackers? Attackers { get; init; }

    /// <summary>How a run with secure aggregation is simulated. Both ways give the same bits.</summary>
    public SecureSumMode SecureAggregation { get; init; } = SecureSumMode.Ideal;

    /// <summary>Memory for examples of generated clients that are chosen again, in MB; those who find no room are made again each time.</summary>
    [Range(0, 1_000_000)]
    [JsonPropertyName("cacheMb")]
    public int CacheMb { get; init; } = 64;
}

/// <summary>How secure aggregation is simulated.</summary>
public enum SecureSumMode
{
    /// <summary>Updates are rounded and summed in the ring, without masks: fast, and with the same result.</summary>
    Ideal,

    /// <summary>With all keys, shares and masks.</summary>
    Full,
}
