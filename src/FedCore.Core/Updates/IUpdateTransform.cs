namespace FedCore.Updates;

/// <summary>
/// What happens to an update between the strategy's client half and the wire. Registered by name; public properties are its parameters. A run names its transforms in the
/// order in which they are applied.
/// </summary>
public interface IUpdateTransform
{
    /// <summary>Whether sums of what it makes of updates are what it makes of their sum, as secure aggregation needs it.</summary>
    bool IsLinear => false;

    /// <summary>Whether it keeps vectors at the client from round to round.</summary>
    bool KeepsClientState => false;
}
