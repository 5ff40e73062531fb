using System.Text.Json.Serialization;
using FedCore.Rounds.Privacy;

namespace FedCore.Rounds;

/// <summary>What a round leaves for the record: who was asked, who answered, who was left out and why, and what it cost.</summary>
public sealed record RoundReceipt
{
    /// <summary>SHA-256 of the run's canonical bytes.</summary>
    public required string Run { get; init; }

    /// <summary>The round, from 1.</summary>
    public required int Round { get; init; }

    /// <summary>Whether the model changed; otherwise the round was abandoned.</summary>
    public required bool Committed { get; init; }

    /// <summary>Why the round closed, or why it was abandoned.</summary>
    public required string Reason { get; init; }

    /// <summary>When the clients were asked.</summary>
    public required DateTimeOffset Opened { get; init; }

    /// <summary>When no more answers were taken.</summary>
    public required DateTimeOffset Closed { get; init; }

    /// <summary>How many reports were wanted.</summary>
    public required int Wanted { get; init; }

    /// <summary>The clients in cohort order.</summary>
    public required IReadOnlyList<ClientReceipt> Clients { get; init; }

    /// <summary>How many clients are in the sum.</summary>
    public required int Contributors { get; init; }

    /// <summary>The sum of their weights.</summary>
    public required double Weight { get; init; }

    /// <summary>Means over the examples of all who contributed, while they trained: <c>localLoss</c>, <c>localAccuracy</c>.</summary>
    public required IReadOnlyDictionary<string, double> Metrics { get; init; }

    /// <summary>Bytes from the clients, as they were encoded, without framing.</summary>
    public required long BytesUp { get; init; }

    /// <summary>Bytes to the clients, without framing.</summary>
    public required long BytesDown { get; init; }

    /// <summary>How the sum was kept from the aggregator; null where it was not.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public SecureSumReceipt? SecureAggregation { get; init; }

    /// <summary>What the round promises about each client, and what the run has spent with it; null where it promises nothing.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public PrivacyReceipt? Privacy { get; init; }
}

/// <summary>What a receipt says of a secure sum: how it was formed, and what that rests on.</summary>
public sealed record SecureSumReceipt
{
    /// <summary>Identity keys come from a roster that the federation's root signed.</summary>
    public const string Roster = "roster";

    /// <summary>Identity keys are those that the aggregator said: it learns only sums as long as it does not lie.</summary>
    public const string CuriousServerOnly = "curious server only";

    /// <summary>Nothing was kept from the aggregator: a simulation without masks.</summary>
    public const string InTheOpen = "none, simulated without masks";

    /// <summary>Which attempt came to the sum, from 1.</summary>
    public required int Attempt { get; init; }

    /// <summary>Clients that were ready.</summary>
    public required int Invited { get; init; }

    /// <summary>Clients that began.</summary>
    public required int Members { get; init; }

    /// <summary>Clients in the sum.</summary>
    public required int Survivors { get; init; }

    /// <summary>Neighbours of each client; 0 without masks.</summary>
    public int Degree { get; init; }

    /// <summary>Shares that recover a secret; 0 without masks.</summary>
    public int Threshold { get; init; }

    /// <summary>Bits of each number on the wire.</summary>
    public required int Bits { get; init; }

    /// <summary>What the clients' identities rest on.</summary>
    public required string Identities { get; init; }

    /// <summary>Bytes that the clients sent in the session.</summary>
    public required long BytesUp { get; init; }
}

/// <summary>One client in a receipt.</summary>
/// <param name="Client">Its name.</param>
/// <param name="Outcome">What became of it.</param>
/// <param name="Reason">Why, where it did not report.</param>
/// <param name="Work">What more is known of its work; null where nothing is.</param>
[method: JsonConstructor]
public readonly record struct ClientReceipt(
    string Client, ClientOutcome Outcome, string? Reason = null, [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] ClientWork? Work = null);

/// <summary>What is known of a client's work in a round. What the server did not plan itself is there only where the run discloses it.</summary>
public sealed record ClientWork
{
    /// <summary>The steps that its task came to, with a disclosure of <see cref="Disclosure.Timing"/>; otherwise the most that the server told it to take.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? Planned { get; init; }

    /// <summary>The steps that it took. A disclosure of <see cref="Disclosure.Timing"/>.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? Done { get; init; }

    /// <summary>Seconds from the task to the answer. A disclosure of <see cref="Disclosure.Timing"/>.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? Seconds { get; init; }

    /// <summary>Examples that it trained on, passes included. A disclosure of <see cref="Disclosure.ClientMetrics"/>.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? Examples { get; init; }

    /// <summary>Its mean loss while it trained. A disclosure of <see cref="Disclosure.ClientMetrics"/>.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? Loss { get; init; }

    /// <summary>How many versions of the model came between its task and its update, in a buffered run.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? Staleness { get; init; }
}

/// <summary>The result of a federated evaluation.</summary>
public sealed record EvaluationReceipt
{
    /// <summary>The round behind which the model was evaluated.</summary>
    public required int Round { get; init; }

    /// <summary>How many clients are in the sums.</summary>
    public required int Contributors { get; init; }

    /// <summary>Means over their examples: <c>accuracy</c>, <c>loss</c>, <c>trainLoss</c>, ...</summary>
    public required IReadOnlyDictionary<string, double> Metrics { get; init; }

    /// <summary>How shares such as <c>accuracy</c> are distributed over the clients.</summary>
    public IReadOnlyDictionary<string, ClientDistribution> Distributions { get; init; } = new Dictionary<string, ClientDistribution>();

    /// <summary>Bytes from the clients.</summary>
    public required long BytesUp { get; init; }

    /// <summary>Bytes to the clients.</summary>
    public required long BytesDown { get; init; }

    /// <summary>How the sums were kept from the aggregator; null where they were not.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public SecureSumReceipt? SecureAggregation { get; init; }
}
