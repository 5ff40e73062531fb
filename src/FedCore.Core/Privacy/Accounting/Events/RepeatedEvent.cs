namespace FedCore.Privacy.Accounting.Events;

/// <summary>An event several times, each with noise of its own.</summary>
/// <param name="Mechanism">The event.</param>
/// <param name="Count">How often, at least 0.</param>
public sealed record RepeatedEvent(PrivacyEvent Mechanism, long Count) : PrivacyEvent
{
    /// <summary>How often.</summary>
    public long Count { get; init; } = Count >= 0 ? Count : throw new ArgumentOutOfRangeException(nameof(Count), Count, "It must be at least 0.");
}
