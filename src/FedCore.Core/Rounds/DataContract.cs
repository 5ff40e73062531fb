using System.ComponentModel.DataAnnotations;
using System.Globalization;

namespace FedCore.Rounds;

/// <summary>
/// What tabular data must look like at every client: which features in which order, and the label. Each site maps its own columns to these names.
/// </summary>
public sealed record DataContract
{
    /// <summary>The features, in the order in which the model sees them.</summary>
    [MinLength(1)]
    public required IReadOnlyList<Feature> Features { get; init; }

    /// <summary>The label.</summary>
    public required Label Label { get; init; }

    /// <summary>What becomes of an example in which a feature is missing.</summary>
    public MissingValues Missing { get; init; } = MissingValues.Refuse;

    /// <summary>Whether each client shifts and scales every feature to mean 0 and deviation 1 over its own training examples.</summary>
    public bool Standardize { get; init; }

    /// <summary>How many numbers the model sees per example.</summary>
    internal int Width => Features.Sum(feature => feature.Width);

    /// <summary>Finds the first name that stands twice where it may stand once.</summary>
    /// <returns>A sentence with its place, or null.</returns>
    internal string? FirstFault()
    {
        if (FirstTwice([.. Features.Select(feature => feature.Name)]) is { } name)
            return $"data.features[{name.Second}].name is \"{Shown.Of(Features[name.Second].Name)}\", like that of data.features[{name.First}]. Remove or rename one of them.";
        for (int i = 0; i < Features.Count; i++)
        {
            if (Features[i].Categories is { } categories && FirstTwice([.. categories.Select(Number)]) is { } category)
            {
                return $"data.features[{i}].categories[{category.Second}] is \"{Shown.Of(categories[category.Second])}\", the same category as "
                    + $"\"{Shown.Of(categories[category.First])}\" at [{category.First}]. Remove one of them.";
            }
        }

        return Label.Classes is { } classes && FirstTwice(classes) is { } twice
            ? $"data.label.classes[{twice.Second}] is \"{Shown.Of(classes[twice.Second])}\", like classes[{twice.First}]. Remove one of them."
            : null;
    }

    private static (int First, int Second)? FirstTwice(IReadOnlyList<string> texts)
    {
        var places = new Dictionary<string, int>(StringComparer.Ordinal);
        for (int i = 0; i < texts.Count; i++)
            if (!places.TryAdd(texts[i], i)) return (places[texts[i]], i);
        return null;
    }

    // In a table "1.0" is the category "1".
    private static string Number(string category) => double.TryParse(category, NumberStyles.Float, CultureInfo.InvariantCulture, out double number)
        ? number.ToString("R", CultureInfo.InvariantCulture)
        : category;
}

/// <summary>One feature.</summary>
public sealed record Feature
{
    /// <summary>Its name.</summary>
    [StringLength(200, MinimumLength = 1)]
    public required string Name { get; init; }

    /// <summary>Subtracted from a number: a middle that all sites agree on. Unlike each client's own mean it does not depend on whom a site treats.</summary>
    public double Center { get; init; }

    /// <summary>What a number is divided by, behind <see cref="Center"/>: a spread that all sites agree on, above 0.</summary>
    [Range(0, double.MaxValue, MinimumIsExclusive = true)]
    public double Scale { get; init; } = 1;

    /// <summary>For a categorical feature all its categories; each becomes a number that is 0 or 1. Null for a number.</summary>
    [MinLength(2)]
    public IReadOnlyList<string>? Categories { get; init; }

    /// <summary>Whether the first category is all zeros instead of a number of its own.</summary>
    public bool DropFirst { get; init; }

    /// <summary>How many numbers the model sees for this feature.</summary>
    public int Width => Categories is null ? 1 : Categories.Count - (DropFirst ? 1 : 0);
}

/// <summary>The label.</summary>
public sealed record Label
{
    /// <summary>Its name.</summary>
    [StringLength(200, MinimumLength = 1)]
    public required string Name { get; init; }

    /// <summary>The classes in the order of their numbers; null where the data has class numbers or real values.</summary>
    [MinLength(2)]
    public IReadOnlyList<string>? Classes { get; init; }

    /// <summary>For a yes-or-no label from a number: values above this are 1, others 0. Null to take the number itself.</summary>
    public double? PositiveAbove { get; init; }
}

/// <summary>What becomes of an example in which a feature is missing.</summary>
public enum MissingValues
{
    /// <summary>The data is refused.</summary>
    Refuse,

    /// <summary>The example is left out.</summary>
    DropExample,

    /// <summary>The value becomes the mean over the client's own training examples.</summary>
    Mean,

    /// <summary>The value becomes zero.</summary>
    Zero,
}
