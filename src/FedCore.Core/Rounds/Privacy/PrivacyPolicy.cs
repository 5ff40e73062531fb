using FedCore.Privacy;
using FedCore.Privacy.Accounting;
using FedCore.Privacy.Clipping;

namespace FedCore.Rounds.Privacy;

/// <summary>What the run promises about one client, or about one example, to whoever sees its results.</summary>
public sealed record PrivacyPolicy
{
    /// <summary>Whose contribution is hidden.</summary>
    public PrivacyUnit Unit { get; init; }

    /// <summary>Who adds the noise; null for the site where examples are hidden, for the clients together where sums are secure, and for the aggregator where they are not.</summary>
    public PrivacyMechanism? Mechanism { get; init; }

    /// <summary>Which data sets are neighbours.</summary>
    public NeighboringRelation Relation { get; init; }

    /// <summary>The largest Euclidean norm of one contribution, above 0: of a client's update, or of the gradient of an example. A longer one is scaled down to it.</summary>
    public required double Clip { get; init; }

    /// <summary>The probability with which an example is in a batch, independently of all others, above 0 and at most 1; for the unit example, whose batches it makes, and nothing else.</summary>
    public double? SamplingRate { get; init; }

    /// <summary>Lets the clip follow how long contributions are, from <see cref="Clip"/> on; null to leave it where it is.</summary>
    public AdaptiveClip? AdaptiveClip { get; init; }

    /// <summary>Standard deviation of the noise in a sum, of updates or of gradients, over what one contribution changes of it; null for as little as <see cref="Epsilon"/> allows over all rounds.</summary>
    public double? NoiseMultiplier { get; init; }

    /// <summary>The most that the run may spend; null for no limit where there is a noise multiplier.</summary>
    public double? Epsilon { get; init; }

    /// <summary>The delta, below 1 over the number of those who are protected: of clients, or of a client's examples.</summary>
    public required double Delta { get; init; }

    /// <summary>How often a client takes part, with the mechanism tree; null for one tree, and clients that may take part in every round.</summary>
    public TreePolicy? Tree { get; init; }

    /// <summary>
    /// Counts with nobody knowing who takes part: against those who get the model and trust the aggregator, and nobody else. Needs a poisson cohort, which is then drawn in secret.
    /// </summary>
    public bool Amplification { get; init; }

    /// <summary>How the cost is added up; null for whichever accountant shows the least.</summary>
    public AccountantKind? Accountant { get; init; }

    /// <summary>Holds as many rounds as the budget allows and ends well, instead of refusing a run that has more.</summary>
    public bool StopWhenSpent { get; init; }

    /// <summary>The examples on which the model is evaluated are nobody's secret, such as a published benchmark; otherwise a private run does not evaluate at its clients.</summary>
    public bool PublicEvaluation { get; init; }
}

/// <summary>Who adds the noise.</summary>
public enum PrivacyMechanism
{
    /// <summary>The aggregator, to the sum: it is trusted.</summary>
    Central,

    /// <summary>Each client its share, within a secure sum: the aggregator need not be trusted.</summary>
    Distributed,

    /// <summary>The aggregator, to the sum of all rounds so far by a tree of partial sums (DP-FTRL): it is trusted, and nobody need be sampled.</summary>
    Tree,

    /// <summary>Each site by itself, to the sum of the gradients of every step of its training (DP-SGD; Abadi et al. 2016): nobody outside the site need be trusted.</summary>
    Site,
}
