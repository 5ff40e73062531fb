using FedCore.Numerics;

namespace FedCore.Strategies;

/// <summary>
/// What a client keeps from round to round, by name. What is written counts once the server has acknowledged that the update it belongs to is part of a
/// round; otherwise the client goes on from what it had before.
/// </summary>
public interface IClientState
{
    /// <summary>A vector of the client, such as a control variate.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="length">Its length, always the same for a name.</param>
    /// <param name="initial">Its values when it is asked for the first time; null for zeros.</param>
    /// <returns>The vector, to be read and written until the client's work of this round is done.</returns>
    FlatVector Vector(string name, long length, FlatVector? initial = null);
}
