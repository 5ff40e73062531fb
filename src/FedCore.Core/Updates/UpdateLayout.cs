using FedCore.Models;

namespace FedCore.Updates;

/// <summary>
/// The sections of an update, in order. Vector sections lie one behind the other in a flat vector, the others in a short array of doubles: the whole
/// is one vector that is summed over clients.
/// </summary>
public sealed class UpdateLayout
{
    private readonly Dictionary<string, (Section Section, long Offset)> _byName = new(StringComparer.Ordinal);

    /// <summary>Lays sections out in the order given.</summary>
    /// <param name="sections">The sections; names must differ, lengths be at least 1.</param>
    /// <exception cref="ArgumentException">Two sections share a name.</exception>
    public UpdateLayout(params IEnumerable<Section> sections)
    {
        ArgumentNullException.ThrowIfNull(sections);
        Sections = [.. sections];
        long vector = 0;
        int scalars = 0;
        foreach (Section section in Sections)
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(section.Length, 1, nameof(sections));
            long offset = section.IsVector ? vector : scalars;
            if (!_byName.TryAdd(section.Name, (section, offset)))
                throw new ArgumentException($"Two sections are called '{section.Name}'.", nameof(sections));
            if (section.IsVector) vector = checked(vector + section.Length);
            else scalars = checked(scalars + (int)section.Length);
        }

        VectorLength = vector;
        ScalarCount = scalars;
    }

    /// <summary>The sections, in order.</summary>
    public IReadOnlyList<Section> Sections { get; }

    /// <summary>Total length of the vector sections.</summary>
    public long VectorLength { get; }

    /// <summary>Total length of the other sections.</summary>
    public int ScalarCount { get; }

    /// <summary>Bytes that one update of this layout takes on the wire without compression.</summary>
    public long ByteLength => VectorLength * sizeof(float) + ScalarCount * (long)sizeof(double);

    /// <summary>The layout of a strategy that exchanges the model's weighted change and nothing else.</summary>
    /// <param name="schema">The model.</param>
    /// <returns>The layout.</returns>
    public static UpdateLayout ForModel(ModelSchema schema)
    {
        ArgumentNullException.ThrowIfNull(schema);
        return new UpdateLayout(new Section(Section.Model, SectionRole.Model, schema.TrainableCount, Weighting.Scalar));
    }

    /// <summary>This layout with more sections behind its own.</summary>
    /// <param name="sections">The sections to add.</param>
    /// <returns>A new layout.</returns>
    public UpdateLayout With(params IEnumerable<Section> sections) => new(Sections.Concat(sections));

    /// <summary>Whether there is a section of this name.</summary>
    /// <param name="name">The section.</param>
    /// <returns>True if there is.</returns>
    public bool Has(string name) => _byName.ContainsKey(name);

    /// <summary>Where a section begins in its part (the flat vector, or the doubles).</summary>
    /// <param name="name">The section.</param>
    /// <returns>The section and the offset of its first element.</returns>
    /// <exception cref="ArgumentException">There is no such section.</exception>
    public (Section Section, long Offset) Find(string name) => _byName.TryGetValue(name, out (Section, long) found)
        ? found
        : throw new ArgumentException($"The update has no section '{name}'. It has: {string.Join(", ", _byName.Keys)}.", nameof(name));
}
