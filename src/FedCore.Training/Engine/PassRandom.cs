using FedCore.Numerics;

namespace FedCore.Training.Engine;

/// <summary>Where layers draw from in a pass: one stream for the batch, or one for each example, so that what one draws does not depend on which others are there.</summary>
/// <param name="Shared">The batch's; null for none.</param>
/// <param name="Own">The examples', in their order; null where they share one.</param>
internal readonly record struct PassRandom(RandomStream? Shared, RandomStream[]? Own = null)
{
    /// <summary>The same numbers again, where examples have their own.</summary>
    public PassRandom Copy() => new(Shared, Own is null ? null : Array.ConvertAll(Own, stream => stream.Copy()));

    public static implicit operator PassRandom(RandomStream? shared) => new(shared);
}
