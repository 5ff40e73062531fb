using System.ComponentModel.DataAnnotations;
using FedCore.Privacy;

namespace FedCore.Aggregator.Settings;

/// <summary>What all runs of an aggregator together may show of one site's data.</summary>
public sealed record PrivacyBudget
{
    /// <summary>The most that they may spend on any site, each run against the adversary whom it is about; null for no limit but the runs' own.</summary>
    public double? MaxEpsilon { get; init; }

    /// <summary>The delta of that epsilon.</summary>
    public double Delta { get; init; } = 1e-5;

    /// <summary>The name by which the ledger knows the sites' data: runs over data with one name are counted together.</summary>
    [StringLength(100, MinimumLength = 1)]
    public string Source { get; init; } = "data";

    /// <exception cref="FedCoreException">A number is out of range (<c>privacy.epsilon</c>, <c>privacy.delta</c>).</exception>
    internal void Check()
    {
        PrivacyNumbers.Delta(Delta, "aggregator.privacy.delta");
        if (MaxEpsilon is { } most && most != 0) PrivacyNumbers.Epsilon(most, "aggregator.privacy.maxEpsilon");
    }
}
