namespace FedCore.SecureAggregation.Ring;

/// <summary>A section of an update as it is written into the ring.</summary>
/// <param name="Name">The section's name.</param>
/// <param name="Length">Number of elements.</param>
/// <param name="IsVector">Whether its elements are words of the vector; otherwise they are numbers of 64 bits.</param>
/// <param name="Bound">Of a vector the largest Euclidean norm, to which it is scaled down; of other numbers the largest magnitude, above which they are refused.</param>
/// <param name="IsWeighted">Whether a vector was multiplied by the client's weight, so that its bound is too.</param>
public sealed record RingSection(string Name, long Length, bool IsVector, double Bound, bool IsWeighted = false)
{
    /// <summary>Whether it counts clients whose update was within the clip, with noise of its own where the sum has noise.</summary>
    public bool IsCount { get; init; }

    /// <summary>Whole numbers of the ring per unit.</summary>
    public double Scale { get; init; }
}
