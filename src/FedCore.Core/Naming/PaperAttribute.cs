namespace FedCore.Naming;

/// <summary>The paper that an algorithm comes from.</summary>
/// <param name="citation">Authors, year and title.</param>
/// <param name="link">Where it can be read.</param>
[AttributeUsage(AttributeTargets.Class, AllowMultiple = true, Inherited = false)]
public sealed class PaperAttribute(string citation, string link) : Attribute
{
    /// <summary>Authors, year and title.</summary>
    public string Citation { get; } = citation;

    /// <summary>Where it can be read.</summary>
    public string Link { get; } = link;
}
