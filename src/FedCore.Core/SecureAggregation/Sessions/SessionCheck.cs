namespace FedCore.SecureAggregation.Sessions;

/// <summary>
/// The checks of a client of which each alone stands between its update and an adversary: a test leaves out one after the other and shows what is learned then. Others, such as
/// that sessions only go up, are a second line behind these.
/// </summary>
internal enum SessionCheck
{
    /// <summary>All were given the same model and the same work.</summary>
    Assignment,

    /// <summary>Every client whose keys it uses signed them.</summary>
    Signatures,

    /// <summary>Every client whose keys it uses is in the roster.</summary>
    Roster,

    /// <summary>Nobody is there twice.</summary>
    Uniqueness,

    /// <summary>As many clients as the minimum begin.</summary>
    MinimumCohort,

    /// <summary>Threshold and degree are safe for so many clients.</summary>
    Parameters,

    /// <summary>The round's sum was not unmasked before.</summary>
    NoRetry,

    /// <summary>At least a threshold of neighbours sent their shares.</summary>
    EnoughShares,

    /// <summary>The masked input is made once.</summary>
    OneMaskedInput,

    /// <summary>As many survive as must.</summary>
    EnoughSurvivors,

    /// <summary>A set of survivors is signed once.</summary>
    OneConfirmation,

    /// <summary>At least a threshold of neighbours signed the same set of survivors.</summary>
    Consistency,

    /// <summary>Nobody's two secrets are asked for: the self mask's of survivors only, and the mask key's of others only.</summary>
    OneSecret,
}
