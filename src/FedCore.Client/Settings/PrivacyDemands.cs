using System.ComponentModel.DataAnnotations;
using FedCore.Privacy;
using FedCore.Rounds;

namespace FedCore.Client.Settings;

/// <summary>What a site demands of the runs that it works for, so that what they show of its data stays within a budget of its own.</summary>
public sealed record PrivacyDemands
{
    /// <summary>Whether the site works for no run that promises it no differential privacy.</summary>
    public bool Required { get; init; }

    /// <summary>In how many uses of its data the site takes part at most, over all runs; null for no limit.</summary>
    [Range(0, 1_000_000_000)]
    public int? MaxParticipations { get; init; }

    /// <summary>
    /// How much all runs together may spend against an aggregator that knows when the site took part; null for no limit. Runs whose aggregator adds the noise, or that have none, are then not worked for.
    /// </summary>
    public double? MaxEpsilonAgainstAggregator { get; init; }

    /// <summary>The delta of that epsilon.</summary>
    public double Delta { get; init; } = 1e-5;

    /// <summary>
    /// The name by which the ledger knows the site's data: uses of data with one name are counted together. A site whose data are others' by and by, such as a new year's, may give them another.
    /// </summary>
    [StringLength(100, MinimumLength = 1)]
    public string Source { get; init; } = "data";

    /// <summary>The ledger's file; null for one in <see cref="ClientSettings.DataFolder"/>. Clients that use the same data must share one.</summary>
    [StringLength(4096, MinimumLength = 1)]
    public string? Ledger { get; init; }

    /// <summary>Whether the examples that the site holds back for evaluations are nobody's secret. Otherwise a site with demands evaluates for no private run that takes them for public.</summary>
    public bool PublicEvaluation { get; init; }

    /// <summary>Whether the site demands anything.</summary>
    internal bool HasDemands => Required || MaxParticipations is not null || MaxEpsilonAgainstAggregator is not null;

    /// <exception cref="FedCoreException">A number is out of range (<c>privacy.epsilon</c>, <c>privacy.delta</c>).</exception>
    internal void Check()
    {
        PrivacyNumbers.Delta(Delta, "client.privacy.delta");
        if (MaxEpsilonAgainstAggregator is { } most && most != 0) PrivacyNumbers.Epsilon(most, "client.privacy.maxEpsilonAgainstAggregator");
    }

    /// <summary>Refuses a run that does not promise what the site demands.</summary>
    /// <param name="name">What the run is called.</param>
    /// <param name="run">The run.</param>
    /// <exception cref="FedCoreException">It has no differential privacy (<c>privacy.required</c>), or none against its aggregator (<c>privacy.adversary</c>).</exception>
    internal void Check(string name, RunPlan run)
    {
        if (run.Privacy is null && (Required || MaxEpsilonAgainstAggregator is not null))
        {
            throw FedCoreException.Configuration(
                "privacy.required", $"The site does not work for the run {name}: it has no \"privacy\", but {(Required ? "client.privacy.required is true" : "client.privacy.maxEpsilonAgainstAggregator is set")}.");
        }

        if (MaxEpsilonAgainstAggregator is not null && !run.Privacy!.Protects(PrivacyAdversary.Aggregator))
        {
            throw FedCoreException.Configuration(
                "privacy.adversary", $"The site does not work for the run {name}: its aggregator adds the noise and sees the sum before, so that nothing is bounded against it, but "
                + "client.privacy.maxEpsilonAgainstAggregator is set. Noise of the clients, with secure sums, would do.");
        }
    }
}
