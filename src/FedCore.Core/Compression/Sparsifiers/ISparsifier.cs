using FedCore.Numerics;
using FedCore.Updates;

namespace FedCore.Compression.Sparsifiers;

/// <summary>Which numbers of an update are sent; the others count as zeros.</summary>
public interface ISparsifier : IUpdateTransform
{
    /// <summary>Whether the places follow from the round alone, so that they need not be sent and are the same for all clients.</summary>
    bool IsShared { get; }

    /// <summary>The factor on what is sent.</summary>
    float Scale => 1;

    /// <summary>How many of a number of values are sent.</summary>
    /// <param name="length">The number, at least 1.</param>
    /// <returns>1 to <paramref name="length"/>.</returns>
    long CountOf(long length);

    /// <summary>Chooses places.</summary>
    /// <param name="values">The values, of which the leading ones count; null for shared places.</param>
    /// <param name="length">How many.</param>
    /// <param name="random">The round's random numbers, the same at every client.</param>
    /// <param name="places">Receives <see cref="CountOf"/> places, in ascending order.</param>
    void Choose(FlatVector? values, long length, RandomStream random, Span<long> places);
}
