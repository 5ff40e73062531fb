namespace FedCore.Rounds;

/// <summary>The name of a client: a site, a vehicle, a simulated client. Unique in its fleet.</summary>
/// <param name="Name">The name.</param>
public readonly record struct ClientId(string Name)
{
    /// <inheritdoc/>
    public override string ToString() => Name;
}

/// <summary>What is known of a client.</summary>
/// <param name="Index">Its place in the directory.</param>
/// <param name="Id">Its name.</param>
public sealed record ClientDescriptor(long Index, ClientId Id);

/// <summary>All clients of a fleet, without a list of them.</summary>
public interface IClientDirectory
{
    /// <summary>How many there are.</summary>
    long Count { get; }

    /// <summary>One of them.</summary>
    /// <param name="index">0 to <see cref="Count"/> - 1.</param>
    /// <returns>What is known of it.</returns>
    ClientDescriptor Get(long index);
}
