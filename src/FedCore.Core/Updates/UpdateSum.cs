using FedCore.Numerics;

namespace FedCore.Updates;

/// <summary>What the aggregator knows of a round's updates: their sum, section by section.</summary>
public sealed class UpdateSum
{
    private readonly double[] _scalars;

    /// <summary>A sum over the given buffers.</summary>
    /// <param name="layout">The sections.</param>
    /// <param name="vector">The sum of the vector sections, exactly of the layout's length.</param>
    /// <param name="scalars">The sum of the scalar sections, exactly of the layout's length.</param>
    /// <param name="contributors">How many clients are in the sum.</param>
    public UpdateSum(UpdateLayout layout, FlatVector vector, double[] scalars, int contributors)
    {
        ArgumentNullException.ThrowIfNull(layout);
        ArgumentNullException.ThrowIfNull(vector);
        ArgumentNullException.ThrowIfNull(scalars);
        ArgumentOutOfRangeException.ThrowIfNotEqual(vector.Length, layout.VectorLength, nameof(vector));
        ArgumentOutOfRangeException.ThrowIfNotEqual(scalars.Length, layout.ScalarCount, nameof(scalars));
        Layout = layout;
        Vector = vector;
        _scalars = scalars;
        Contributors = contributors;
    }

    /// <summary>The sections.</summary>
    public UpdateLayout Layout { get; }

    /// <summary>The sum of all vector sections.</summary>
    public FlatVector Vector { get; }

    /// <summary>How many clients are in the sum.</summary>
    public int Contributors { get; }

    /// <summary>The sum of the clients' weights.</summary>
    public double Weight => Scalar(Section.Weight);

    /// <summary>The same sum, said to weigh something else: what a mean divides by under differential privacy does not depend on who came.</summary>
    /// <param name="weight">The weight.</param>
    /// <returns>A sum over the same vector.</returns>
    internal UpdateSum Weighing(double weight)
    {
        double[] scalars = [.. _scalars];
        scalars[Layout.Find(Section.Weight).Offset] = weight;
        return new UpdateSum(Layout, Vector, scalars, Contributors);
    }

    /// <summary>One number of a scalar section.</summary>
    /// <param name="section">The section's name.</param>
    /// <param name="index">Which of its numbers.</param>
    /// <returns>The sum over the clients.</returns>
    public double Scalar(string section, int index = 0)
    {
        (Section found, long offset) = Layout.Find(section);
        if (found.IsVector || index < 0 || index >= found.Length)
            throw new ArgumentOutOfRangeException(nameof(index), index, $"Section '{section}' has no number {index}.");
        return _scalars[offset + index];
    }

    /// <summary>A view of a vector section's sum.</summary>
    /// <param name="section">The section's name.</param>
    /// <param name="offset">First element within the section.</param>
    /// <param name="count">Number of elements.</param>
    /// <returns>The view.</returns>
    public ReadOnlySpan<float> Slice(string section, long offset, int count)
    {
        (Section found, long start) = Layout.Find(section);
        if (!found.IsVector || offset < 0 || offset > found.Length - count)
            throw new ArgumentOutOfRangeException(nameof(offset), offset, $"Section '{section}' has no vector of {count} elements there.");
        return Vector.Slice(start + offset, count);
    }
}
