using FedCore.Compression;

namespace FedCore.Aggregator.Fleet;

/// <summary>What an answer to a task must be for its bytes to be kept.</summary>
/// <param name="MostBytes">The most bytes that it can have.</param>
internal sealed record AnswerForm(long MostBytes)
{
    /// <summary>Its SHA-256, where it is known beforehand; otherwise null.</summary>
    public ReadOnlyMemory<byte>? Digest { get; init; }

    /// <summary>Begins to check its bytes; null where the protocol that it belongs to does, when it reads them.</summary>
    public Func<IEncodedUpdate, UpdateCheck>? BeginCheck { get; init; }
}
