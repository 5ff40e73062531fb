using FedCore.Rounds;
using FedCore.SecureAggregation.Sessions;

namespace FedCore.Client.Settings;

/// <summary>What a site demands of the runs that it works for, so that nobody but itself sees its updates.</summary>
public sealed record SecureAggregationDemands : ClientLimits
{
    private const string InTheClear = "run.secure-aggregation";

    /// <summary>Whether the site works for no run that sums in the clear; null for yes where it pins a roster, and no otherwise.</summary>
    public bool? Required { get; init; }

    /// <summary>Refuses a run that does not do as the site demands.</summary>
    /// <param name="name">What the run is called.</param>
    /// <param name="run">The run.</param>
    /// <param name="clients">How many are asked.</param>
    /// <param name="isPinned">Whether the site pins a roster.</param>
    /// <exception cref="FedCoreException">
    /// It does not: it sums in the clear (<c>run.secure-aggregation</c>), too few (<c>secagg.cohort</c>), lets too many be missing (<c>secagg.survivors</c>), or withstands too little (<c>secagg.parameters</c>).
    /// </exception>
    internal void Check(string name, RunDefinition run, int clients, bool isPinned)
    {
        (string Code, string Message)? fault = run.SecureAggregation is { } policy ? FaultIn(policy, clients)
            : Required ?? isPinned
                ? (InTheClear, "It sums in the clear, but this site works for runs with secure sums alone: " + (Required is null ? "it pins a roster, and client.secureAggregation.required is not false" : "client.secureAggregation.required is true"))
                : null;
        if (fault is not null) throw FedCoreException.Configuration(fault.Value.Code, $"The site does not work for the run {name}. {fault.Value.Message}.");
    }
}
