using System.Security.Cryptography;
using FedCore.SecureAggregation.Graphs;
using FedCore.SecureAggregation.Suites;

namespace FedCore.SecureAggregation.Messages;

/// <summary>
/// What a session of secure aggregation is about and by which rules it is held. The aggregator proposes it; every client compares it with what it knows of the run and with
/// what it allows, and signs its hash, so that two clients who were told different things refuse each other.
/// </summary>
public sealed record SessionTerms
{
    /// <summary>Bytes of a hash.</summary>
    public const int HashLength = SHA256.HashSizeInBytes;

    /// <summary>Bytes of a nonce.</summary>
    public const int NonceLength = 16;

    /// <summary>The suite's number.</summary>
    public byte Suite { get; init; } = SecureAggregationSuites.Default.Id;

    /// <summary>The run's hash, <c>sha256:</c> and 64 hexadecimal digits.</summary>
    public required string Run { get; init; }

    /// <summary>What is summed.</summary>
    public required SumPurpose Purpose { get; init; }

    /// <summary>The round, from 1.</summary>
    public required int Round { get; init; }

    /// <summary>The attempt at the round's sum, from 1.</summary>
    public required int Attempt { get; init; }

    /// <summary>16 bytes that the aggregator drew for the session.</summary>
    public required ReadOnlyMemory<byte> Nonce { get; init; }

    /// <summary>SHA-256 of how vectors are written into the ring: sections, clips, scales, bits, and noise where there is any.</summary>
    public required ReadOnlyMemory<byte> Encoding { get; init; }

    /// <summary>
    /// SHA-256 of what the clients were given to do: the model that they began with and the work. An aggregator that gave one of them the real model, and the others something that comes to
    /// nothing, would have that one's update as the sum (Pasquini et al. 2022, Eluding Secure Aggregation in Federated Learning via Model Inconsistency).
    /// </summary>
    public required ReadOnlyMemory<byte> Assignment { get; init; }

    /// <summary>How many clients were invited, 2 or more; not more of them take part.</summary>
    public required int Invited { get; init; }

    /// <summary>Neighbours and threshold.</summary>
    public required GraphParameters Graph { get; init; }

    /// <summary>A sum of fewer clients is never formed; at least 2.</summary>
    public required int MinimumCohort { get; init; }

    /// <summary>The share of the clients who begin that may be missing in the sum, 0 or more and below 1.</summary>
    public required double MaximumDropout { get; init; }

    /// <summary>How many of the clients who began must be in the sum.</summary>
    /// <param name="members">How many began.</param>
    /// <returns>The number.</returns>
    public int LeastSurvivors(int members) => LeastSurvivors(members, MinimumCohort, MaximumDropout);

    /// <inheritdoc cref="LeastSurvivors(int)"/>
    internal static int LeastSurvivors(int members, int minimumCohort, double maximumDropout) => Math.Max(minimumCohort, members - GraphRule.Whole(members, maximumDropout));

    /// <summary>The session's identity: the hash of its terms.</summary>
    /// <returns>32 bytes.</returns>
    public byte[] Digest() => SHA256.HashData(new MessageWriter().Bytes(Labels.Terms).Bytes(Encode()).Written);

    /// <summary>The terms as bytes.</summary>
    /// <returns>Their only form.</returns>
    public byte[] Encode() => new MessageWriter()
        .Bytes([Suite, (byte)Purpose]).Text(Run).Number(Round).Number(Attempt).Bytes(Nonce.Span).Bytes(Encoding.Span).Bytes(Assignment.Span).Number(Invited)
        .Number(Graph.Degree).Number(Graph.Threshold).Number(MinimumCohort).Number(MaximumDropout).ToArray();

    /// <summary>Reads terms.</summary>
    /// <param name="bytes">The bytes, from anybody.</param>
    /// <returns>The terms.</returns>
    /// <exception cref="SecureAggregationException">They are no terms (<c>secagg.message</c>).</exception>
    public static SessionTerms Decode(ReadOnlySpan<byte> bytes)
    {
        var reader = new MessageReader(bytes, "The session's terms");
        var terms = new SessionTerms
        {
            Suite = reader.Bytes(1)[0],
            Purpose = (SumPurpose)reader.Bytes(1)[0],
            Run = reader.Text(),
            Round = reader.Number(),
            Attempt = reader.Number(),
            Nonce = reader.Bytes(NonceLength).ToArray(),
            Encoding = reader.Bytes(HashLength).ToArray(),
            Assignment = reader.Bytes(HashLength).ToArray(),
            Invited = reader.Number(),
            Graph = new GraphParameters(reader.Number(), reader.Number()),
            MinimumCohort = reader.Number(),
            MaximumDropout = reader.Double(),
        };
        reader.End();
        if (terms.FirstFault() is { } fault) throw reader.Refused(fault);
        return terms;
    }

    private string? FirstFault() => this switch
    {
        _ when !Enum.IsDefined(Purpose) => $"there is no purpose {(int)Purpose}",
        { Round: < 1 } or { Attempt: < 1 } => "rounds and attempts are counted from 1",
        { Invited: < 2 or > GraphRule.MostClients } => $"{Invited} clients are invited, but 2 to {GraphRule.MostClients} can be",
        { Graph.Degree: < 1 } or { Graph.Threshold: < 2 } => $"the degree is {Graph.Degree} and the threshold {Graph.Threshold}",
        { MinimumCohort: < 2 } => $"the minimum cohort is {MinimumCohort}, but at least 2",
        { MaximumDropout: not (>= 0 and < 1) } => "the maximum dropout is not from 0 up to 1",
        _ => null,
    };
}
