using System.ComponentModel.DataAnnotations;
using FedCore.Rounds;

namespace FedCore.Simulation.Devices;

/// <summary>A kind of device that clients have. Times are virtual: a slow device costs the simulation no time.</summary>
public sealed record DeviceProfile
{
    /// <summary>A name for displays.</summary>
    [StringLength(100, MinimumLength = 1)]
    public required string Name { get; init; }

    /// <summary>How many clients have it, in proportion to the other profiles' shares.</summary>
    [Range(0, 1e9, MinimumIsExclusive = true)]
    public double Share { get; init; } = 1;

    /// <summary>Processor cores, for strategies that plan by them.</summary>
    [Range(1, 1_000_000)]
    public int? Cores { get; init; }

    /// <summary>Memory in MB, for strategies that plan by it.</summary>
    [Range(1, 1e9)]
    public double? MemoryMb { get; init; }

    /// <summary>When in a day it answers at all; empty for always.</summary>
    public IReadOnlyList<AvailabilityWindow> Online { get; init; } = [];

    /// <summary>Examples that it trains on per second.</summary>
    [Range(0, 1e12, MinimumIsExclusive = true)]
    public double ExamplesPerSecond { get; init; } = 1000;

    /// <summary>Speeds differ from client to client by a log-normal factor; this is the deviation of its logarithm.</summary>
    [Range(0, 5)]
    public double SpeedSpread { get; init; }

    /// <summary>Bytes per second to the device; null for a link that takes no time.</summary>
    [Range(0, 1e15, MinimumIsExclusive = true)]
    public double? DownBytesPerSecond { get; init; }

    /// <summary>Bytes per second from the device; null for a link that takes no time.</summary>
    [Range(0, 1e15, MinimumIsExclusive = true)]
    public double? UpBytesPerSecond { get; init; }

    /// <summary>The probability that it answers when it is asked.</summary>
    [Range(0, 1)]
    public double Availability { get; init; } = 1;

    /// <summary>The probability that it vanishes while it works.</summary>
    [Range(0, 1)]
    public double Dropout { get; init; }

    /// <summary>How long after a client vanished it is taken for lost.</summary>
    [Range(0, 1e9)]
    public double LivenessSeconds { get; init; } = 60;
}

/// <summary>
/// Stragglers as the FedProx paper has them (Li et al. 2020, section 5.2): in every round a share of the cohort, chosen anew, gets through only part of
/// its work by the deadline, a whole number of epochs from 1 to all but one, each equally likely. With one epoch, or work in steps, it is a share of the steps.
/// </summary>
public sealed record Stragglers
{
    /// <summary>The share of the cohort, rounded to a whole number of clients.</summary>
    [Range(0, 1)]
    public required double Share { get; init; }
}
