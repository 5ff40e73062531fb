namespace FedCore.Updates;

/// <summary>A named part of an update.</summary>
/// <param name="Name">Its name, unique in the layout.</param>
/// <param name="Role">What it is for.</param>
/// <param name="Length">Number of elements, at least 1.</param>
/// <param name="Weighting">How it enters the sum.</param>
public sealed record Section(string Name, SectionRole Role, long Length, Weighting Weighting = Weighting.None)
{
    /// <summary>The name of the section that holds the model's change.</summary>
    public const string Model = "model";

    /// <summary>The name of the section that holds the client's weight.</summary>
    public const string Weight = "weight";

    /// <summary>The name of the section that holds the change of the model's buffers.</summary>
    public const string Buffers = "buffers";

    /// <summary>The name of the section that says whether the client's update was within the clip: a half, or minus a half.</summary>
    public const string Unclipped = "unclipped";

    /// <summary>
    /// Whether the section is a vector of 32-bit floats. The others are few numbers, kept in double precision: counts must stay exact when they are
    /// summed over a million clients.
    /// </summary>
    public bool IsVector => Role is SectionRole.Model or SectionRole.Control or SectionRole.Buffer;
}
