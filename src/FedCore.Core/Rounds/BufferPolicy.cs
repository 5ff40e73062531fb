using System.ComponentModel.DataAnnotations;
using FedCore.Naming;
using FedCore.Rounds.Staleness;

namespace FedCore.Rounds;

/// <summary>
/// Buffered asynchronous rounds, FedBuff (Nguyen et al. 2022, algorithm 1): clients start when one is free, from whatever the model then is, and the model moves
/// on whenever a number of updates lie in the buffer. Nobody waits for the slowest. As many clients are at work at a time as <c>rounds.cohort</c> chooses.
/// </summary>
[Paper("Nguyen et al. 2022, Federated Learning with Buffered Asynchronous Aggregation", "https://arxiv.org/abs/2106.06639")]
public sealed record BufferPolicy
{
    /// <summary>How many updates move the model on, K.</summary>
    [PaperValue("The paper's default is 10.")]
    [Range(1, int.MaxValue)]
    public int Size { get; init; } = 10;

    /// <summary>How much an update counts that started from an older model.</summary>
    public IStalenessWeighting Staleness { get; init; } = new PolynomialStaleness();

    /// <summary>An update that started from a model older than so many versions is refused; null for no limit.</summary>
    [Range(0, int.MaxValue)]
    public int? MaxStaleness { get; init; }
}
