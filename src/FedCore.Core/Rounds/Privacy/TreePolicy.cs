using System.ComponentModel.DataAnnotations;

namespace FedCore.Rounds.Privacy;

/// <summary>
/// Noise on the sums of all rounds so far, by a binary tree of partial sums, for clients that nobody samples (DP-FTRL; Kairouz et al. 2021, "Practical and private (deep) learning without sampling
/// or shuffling"): its cost grows with how often one client takes part, and hardly with how many rounds there are.
/// </summary>
public sealed record TreePolicy
{
    /// <summary>How many rounds lie between two in which one client takes part at least; those who took part later are not asked, and do not work.</summary>
    [Range(0, 1_000_000)]
    public int MinimumSeparation { get; init; }

    /// <summary>In how many rounds one client takes part at most; null for as many as the separation leaves.</summary>
    [Range(1, 1_000_000)]
    public int? MaximumParticipations { get; init; }

    /// <summary>After how many rounds a new tree begins, as the paper's TreeRestart does where all clients had their turn; null for one tree. Powers of two leave the least noise.</summary>
    [Range(1, 1_000_000)]
    public int? RestartEvery { get; init; }

    /// <summary>How many times one client can be in so many rounds.</summary>
    /// <param name="rounds">Rounds, at least 1.</param>
    /// <returns>The number, at least 1.</returns>
    internal int ParticipationsIn(int rounds) => Math.Min((rounds - 1) / (MinimumSeparation + 1) + 1, MaximumParticipations ?? int.MaxValue);
}
