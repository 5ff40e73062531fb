using System.ComponentModel.DataAnnotations;

namespace FedCore.Hosting.Federation;

/// <summary>Where the federation's roster is, and who must have signed it.</summary>
public sealed record RosterSettings
{
    /// <summary>The roster's file, as <c>fedcore federation sign-roster</c> wrote it. A newer one may take its place at any time.</summary>
    [StringLength(4096, MinimumLength = 1)]
    public required string File { get; init; }

    /// <summary>The public key of the federation's root, as <c>fedcore federation init</c> showed it; or the name of a file that holds it.</summary>
    [StringLength(4096, MinimumLength = 1)]
    public required string RootKey { get; init; }
}
