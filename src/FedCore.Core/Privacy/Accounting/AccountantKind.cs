namespace FedCore.Privacy.Accounting;

/// <summary>How the cost of events is added up.</summary>
public enum AccountantKind
{
    /// <summary>By the distribution of the privacy loss: the tighter, for mechanisms whose loss is known and not only bounded.</summary>
    Pld,

    /// <summary>By Renyi divergences: for every mechanism, in an instant.</summary>
    Rdp,
}
