using FedCore.Rounds;
using FedCore.SecureAggregation.Sessions;

namespace FedCore.Client.Settings;

/// <summary>What a site demands of the runs that it works for, so that nobody but itself sees its updates.</summary>
public sealed record SecureAggregationDemands : ClientLimits
{
    /// <summary>The site works for no run that sums in the clear.</summary>
    public bool Required { get; init; }

    /// <summary>Refuses a run that does not do as the site demands.</summary>
    /// <param name="name">What the run is called.</param>
    /// <param name="run">The run.</param>
    /// <exception cref="FedCoreException">It does not (<c>run.secure-aggregation</c>).</exception>
    internal void Check(string name, RunDefinition run)
    {
        string? fault = run.SecureAggregation is { } policy ? FaultIn(policy)
            : Required ? "It sums in the clear, but this site works for runs with secure sums alone (client.secureAggregation.required)" : null;
        if (fault is not null) throw FedCoreException.Configuration("run.secure-aggregation", $"The site does not work for the run {name}. {fault}.");
    }
}
