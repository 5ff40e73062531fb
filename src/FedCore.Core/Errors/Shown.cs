using System.Globalization;
using System.Text;

namespace FedCore;

/// <summary>Values that somebody else wrote, made fit to stand in a message: short, on one line, and without a command to the terminal.</summary>
public static class Shown
{
    /// <summary>How many characters of a value a message shows unless it says otherwise.</summary>
    public const int Length = 80;

    /// <summary>A value as a message shows it.</summary>
    /// <param name="text">The value, such as a cell of a table or a file's name.</param>
    /// <param name="length">The most characters of it to show, at least 1; a longer text ends with three dots.</param>
    /// <returns>The beginning of the text; what has no glyph (control and format characters, line breaks, halves of pairs) as <c>\u001B</c>.</returns>
    public static string Of(string text, int length = Length)
    {
        ArgumentNullException.ThrowIfNull(text);
        ArgumentOutOfRangeException.ThrowIfLessThan(length, 1);
        string beginning = text.Length <= length ? text : text[..length];
        if (beginning.All(IsPlain)) return beginning.Length == text.Length ? text : beginning + "...";

        var shown = new StringBuilder();
        for (int i = 0; i < beginning.Length; i++)
        {
            char c = beginning[i];
            if (char.IsHighSurrogate(c) && i + 1 < beginning.Length && char.IsLowSurrogate(beginning[i + 1])) shown.Append(c).Append(beginning[++i]);
            else if (IsPlain(c)) shown.Append(c);
            else shown.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:X4}");
        }

        return (beginning.Length == text.Length ? shown : shown.Append("...")).ToString();
    }

    /// <summary>Several values, as a message lists what there is.</summary>
    /// <param name="texts">The values.</param>
    /// <returns>The first of them, separated by commas.</returns>
    public static string List(IEnumerable<string> texts)
    {
        ArgumentNullException.ThrowIfNull(texts);
        const int most = 20;
        string[] some = [.. texts.Take(most + 1)];
        return string.Join(", ", some.Take(most).Select(text => Of(text))) + (some.Length > most ? ", ..." : "");
    }

    private static bool IsPlain(char c) => char.GetUnicodeCategory(c) is not (UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.Surrogate
        or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator);
}
