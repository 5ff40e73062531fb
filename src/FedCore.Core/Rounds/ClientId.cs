namespace FedCore.Rounds;

/// <summary>The name of a client: a site, a vehicle, a simulated client. Unique in its fleet.</summary>
/// <param name="Name">The name.</param>
public readonly record struct ClientId(string Name)
{
    /// <inheritdoc/>
    public override string ToString() => Name;
}
