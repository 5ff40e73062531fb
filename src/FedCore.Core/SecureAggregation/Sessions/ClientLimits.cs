using FedCore.SecureAggregation.Graphs;
using FedCore.SecureAggregation.Messages;

namespace FedCore.SecureAggregation.Sessions;

/// <summary>What a client demands of every session, whatever the aggregator and the run say.</summary>
public sealed record ClientLimits
{
    /// <summary>It takes part in no sum of fewer clients, at least 2.</summary>
    public int MinimumCohort { get; init; } = 3;

    /// <summary>The most that may be missing in a sum, as a share of the clients who began.</summary>
    public double MaximumDropout { get; init; } = 0.33;

    /// <summary>The share of the clients that may be the adversary's.</summary>
    public double AdversarialRate { get; init; } = 0.05;

    /// <summary>What the aggregator may do without learning more than sums.</summary>
    public Adversary Adversary { get; init; } = Adversary.SplitView;

    /// <summary>Why a session's threshold and degree are not safe enough.</summary>
    /// <param name="terms">The session's terms.</param>
    /// <param name="members">How many clients take part.</param>
    /// <returns>A sentence without its end; null where they are.</returns>
    internal string? FaultIn(SessionTerms terms, int members)
    {
        try
        {
            return new GraphRule(members, AdversarialRate, terms.MaximumDropout, Adversary).FaultIn(terms.Graph, terms.Invited);
        }
        catch (FedCoreException fault)
        {
            return fault.Message.TrimEnd('.');
        }
    }
}
