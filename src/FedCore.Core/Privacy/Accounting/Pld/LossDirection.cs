namespace FedCore.Privacy.Accounting.Pld;

/// <summary>From which of two neighbouring data sets the results come whose loss is looked at.</summary>
internal enum LossDirection
{
    /// <summary>From the one with the contribution: its removal must not show. For an exchange, from either.</summary>
    Remove,

    /// <summary>From the one without it: its addition must not show.</summary>
    Add,
}
