namespace FedCore.Privacy;

/// <summary>Whose contribution is hidden.</summary>
public enum PrivacyUnit
{
    /// <summary>All that a client has: one hospital, one vehicle.</summary>
    Client,
}
