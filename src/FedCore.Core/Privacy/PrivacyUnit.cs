namespace FedCore.Privacy;

/// <summary>Whose contribution is hidden.</summary>
public enum PrivacyUnit
{
    /// <summary>All that a client has: one hospital, one vehicle.</summary>
    Client,

    /// <summary>One example of a client: one patient's record, one journey. All that one person has in several examples is not hidden by it.</summary>
    Example,
}
