using System.ComponentModel.DataAnnotations;
using FedCore.Rounds;
using FedCore.SecureAggregation.Graphs;
using FedCore.SecureAggregation.Messages;

namespace FedCore.SecureAggregation.Sessions;

/// <summary>What a client demands of every session, whatever the aggregator and the run say.</summary>
public record ClientLimits
{
    /// <summary>It takes part in no sum of fewer clients.</summary>
    [Range(2, GraphRule.MostClients)]
    public int MinimumCohort { get; init; } = 3;

    /// <summary>The most that may be missing in a sum, as a share of the clients who began.</summary>
    [Range(0, 0.9)]
    public double MaximumDropout { get; init; } = 0.33;

    /// <summary>From 100 clients on: the share of them that may be the adversary's. With fewer clients a third of them may be, whatever this says.</summary>
    [Range(0, 0.9)]
    public double AdversarialRate { get; init; } = 0.05;

    /// <summary>From 100 clients on: what the aggregator may do without learning more than sums.</summary>
    public Adversary Adversary { get; init; } = Adversary.SplitView;

    /// <summary>What a run demands less of than the client does, so that there is no need to work for it.</summary>
    /// <param name="policy">How the run sums.</param>
    /// <param name="clients">How many are asked.</param>
    /// <returns>A reason code and a sentence without its end; null where it demands as much.</returns>
    public (string Code, string Message)? FaultIn(SecureAggregationPolicy policy, int clients)
    {
        ArgumentNullException.ThrowIfNull(policy);
        if (clients >= GraphRule.LeastSparse && Adversary != Adversary.None && (policy.Adversary < Adversary || policy.AdversarialRate < AdversarialRate))
        {
            return (SecureAggregationCodes.Parameters, FormattableString.Invariant(
                $"Its sums withstand an adversary ({policy.Adversary}) with {policy.AdversarialRate:0.###} of the clients, but this site demands that they withstand one ({Adversary}) with {AdversarialRate:0.###} of them"));
        }

        if (policy.MinimumCohort < MinimumCohort)
            return (SecureAggregationCodes.Cohort, $"Its sums are of {policy.MinimumCohort} clients or more (secureAggregation.minimumCohort), but this site takes part in none of fewer than {MinimumCohort} (client.secureAggregation.minimumCohort)");
        return policy.MaximumDropout > MaximumDropout
            ? (SecureAggregationCodes.Survivors, FormattableString.Invariant($"Its sums may lack {policy.MaximumDropout:0.##} of the clients who began (secureAggregation.maximumDropout), but this site allows {MaximumDropout:0.##} (client.secureAggregation.maximumDropout)"))
            : null;
    }

    /// <summary>Why a session's threshold and degree are not safe enough.</summary>
    /// <param name="terms">The session's terms.</param>
    /// <param name="members">How many clients take part.</param>
    /// <returns>A sentence without its end; null where they are.</returns>
    internal string? FaultIn(SessionTerms terms, int members)
    {
        try
        {
            return new GraphRule(members, Adversary == Adversary.None ? 0 : AdversarialRate, terms.MaximumDropout, Adversary).FaultIn(terms.Graph, terms.Invited);
        }
        catch (FedCoreException fault)
        {
            return fault.Message.TrimEnd('.');
        }
    }
}
