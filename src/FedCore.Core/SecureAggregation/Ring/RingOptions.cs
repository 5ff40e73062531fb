using System.ComponentModel.DataAnnotations;

namespace FedCore.SecureAggregation.Ring;

/// <summary>How numbers become elements of the ring in which they are summed.</summary>
public sealed record RingOptions
{
    /// <summary>The largest Euclidean norm of a client's vector, section by section; a longer one is scaled down to it.</summary>
    [Range(0, double.MaxValue, MinimumIsExclusive = true)]
    public double Clip { get; init; } = 100;

    /// <summary>Bits of each number of the vector on the wire; null for 32, or with <see cref="Scale"/> for as few as the sum needs.</summary>
    [Range(2, 32)]
    public int? Bits { get; init; }

    /// <summary>Steps per unit to which numbers are rounded; null for as many as the bits allow.</summary>
    [Range(0, double.MaxValue, MinimumIsExclusive = true)]
    public double? Scale { get; init; }

    /// <summary>Noise for differential privacy; null for none. It is added to the one vector that the update then has.</summary>
    public RingNoiseOptions? Noise { get; init; }
}
