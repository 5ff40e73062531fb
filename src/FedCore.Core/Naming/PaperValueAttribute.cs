namespace FedCore.Naming;

/// <summary>What the paper of an algorithm says of a parameter's value: its default, or what was tried. Shown with the parameter, and where a value is refused.</summary>
/// <param name="text">A sentence, such as <c>The paper's default is 0.9.</c></param>
[AttributeUsage(AttributeTargets.Property)]
public sealed class PaperValueAttribute(string text) : Attribute
{
    /// <summary>The sentence.</summary>
    public string Text { get; } = text;
}
