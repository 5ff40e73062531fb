namespace FedCore.SecureAggregation;

/// <summary>A party of secure aggregation refuses to go on. Nothing secret is in the message.</summary>
/// <param name="code">A stable reason code, one of <see cref="SecureAggregationCodes"/>.</param>
/// <param name="message">What was wrong, with whom, and what the limit is.</param>
/// <param name="innerException">The cause.</param>
public sealed class SecureAggregationException(string code, string message, Exception? innerException = null)
    : FedCoreException(FaultKind.RunFailed, code, message, innerException)
{
    /// <summary>The number of the client whose fault it is, as the refusing party sees it; null where it is nobody's in particular.</summary>
    public int? Accused { get; init; }
}

/// <summary>Why a party of secure aggregation refuses to go on.</summary>
public static class SecureAggregationCodes
{
    /// <summary>How all of them begin.</summary>
    internal const string Prefix = "secagg.";

    /// <summary>A message is not of the form that it must have.</summary>
    public const string Message = "secagg.message";

    /// <summary>A message came when another one was due.</summary>
    public const string Order = "secagg.order";

    /// <summary>A message came again with other contents.</summary>
    public const string Repeated = "secagg.repeated";

    /// <summary>The terms are not what the run says, or not what the client allows.</summary>
    public const string Terms = "secagg.terms";

    /// <summary>The session is about another model, or other work, than the client was given.</summary>
    public const string Assignment = "secagg.assignment";

    /// <summary>The session is not newer than one that the client took part in.</summary>
    public const string Replayed = "secagg.replayed";

    /// <summary>The client helped to unmask the round's sum before.</summary>
    public const string Retry = "secagg.retry";

    /// <summary>No threshold or degree is safe for the clients, or the one that was chosen is not.</summary>
    public const string Parameters = "secagg.parameters";

    /// <summary>The ring has too few bits for the cohort.</summary>
    public const string Ring = "secagg.ring";

    /// <summary>The input is not finite, of another length, or out of bounds.</summary>
    public const string Input = "secagg.input";

    /// <summary>There are fewer clients than the least that is allowed.</summary>
    public const string Cohort = "secagg.cohort";

    /// <summary>A client is not in the roster.</summary>
    public const string Roster = "secagg.roster";

    /// <summary>A signature does not match.</summary>
    public const string Signature = "secagg.signature";

    /// <summary>A client is named twice.</summary>
    public const string Duplicate = "secagg.duplicate";

    /// <summary>The client's own advertisement is not among those that it was sent.</summary>
    public const string OwnAdvertisement = "secagg.own-advertisement";

    /// <summary>A public key is none.</summary>
    public const string Key = "secagg.key";

    /// <summary>A message is about somebody who has no part in it.</summary>
    public const string Stranger = "secagg.stranger";

    /// <summary>A share cannot be opened, or is none.</summary>
    public const string Share = "secagg.share";

    /// <summary>Fewer shares arrived than recover a secret.</summary>
    public const string Shares = "secagg.shares";

    /// <summary>The set of survivors lacks somebody who must be in it, or has somebody who must not be.</summary>
    public const string Survivors = "secagg.survivors";

    /// <summary>Fewer clients than the threshold signed the same set of survivors.</summary>
    public const string Consistency = "secagg.consistency";

    /// <summary>Both secrets of a client were asked for.</summary>
    public const string BothSecrets = "secagg.both-secrets";

    /// <summary>A secret that was put together is not the one that was promised.</summary>
    public const string Commitment = "secagg.commitment";

    /// <summary>Too little came in for the sum to be formed.</summary>
    public const string Missing = "secagg.missing";
}
