using System.Collections.Immutable;

namespace FedCore.Models;

/// <summary>The shape of one example or of a tensor: its extents, outermost first. Images are height x width x channels.</summary>
public readonly struct Shape : IEquatable<Shape>
{
    private readonly ImmutableArray<int> _extents;

    /// <summary>A shape with the given extents.</summary>
    /// <param name="extents">Extents, each at least 1; none for a scalar.</param>
    /// <exception cref="ArgumentOutOfRangeException">An extent is below 1.</exception>
    public Shape(params ReadOnlySpan<int> extents)
    {
        foreach (int extent in extents) ArgumentOutOfRangeException.ThrowIfLessThan(extent, 1, nameof(extents));
        _extents = [.. extents];
    }

    /// <summary>Number of extents.</summary>
    public int Rank => _extents.IsDefault ? 0 : _extents.Length;

    /// <summary>The extents, outermost first.</summary>
    public ReadOnlySpan<int> Extents => _extents.IsDefault ? [] : _extents.AsSpan();

    /// <summary>One extent.</summary>
    /// <param name="axis">0 for the outermost.</param>
    public int this[int axis] => _extents[axis];

    /// <summary>The number of elements; 1 for a scalar.</summary>
    /// <exception cref="OverflowException">It does not fit 63 bits.</exception>
    public long ElementCount
    {
        get
        {
            long count = 1;
            foreach (int extent in Extents) count = checked(count * extent);
            return count;
        }
    }

    /// <inheritdoc/>
    public bool Equals(Shape other) => Extents.SequenceEqual(other.Extents);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is Shape other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        var hash = new HashCode();
        foreach (int extent in Extents) hash.Add(extent);
        return hash.ToHashCode();
    }

    /// <summary>Whether two shapes have the same extents.</summary>
    /// <param name="left">One shape.</param>
    /// <param name="right">The other.</param>
    public static bool operator ==(Shape left, Shape right) => left.Equals(right);

    /// <summary>Whether two shapes differ.</summary>
    /// <param name="left">One shape.</param>
    /// <param name="right">The other.</param>
    public static bool operator !=(Shape left, Shape right) => !left.Equals(right);

    /// <summary>The extents in brackets, such as <c>[28, 28, 1]</c>.</summary>
    /// <returns>The text.</returns>
    public override string ToString() => $"[{string.Join(", ", Extents.ToArray())}]";
}
