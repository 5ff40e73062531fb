namespace FedCore.Rounds;

/// <summary>What a run needs to know of single clients, beyond sums over them. It stands in the run's definition, which each site reads; none is the default.</summary>
public enum Disclosure
{
    /// <summary>Each client's update, which robust aggregation compares with the others'.</summary>
    IndividualUpdates,

    /// <summary>Each client's number of examples and its loss.</summary>
    ClientMetrics,

    /// <summary>How long each client worked, and how many steps it took.</summary>
    Timing,
}
