using System.Globalization;
using System.Text;

namespace FedCore.Cli.Display;

/// <summary>Text from files on its way to a terminal, which takes some characters for orders.</summary>
internal static class TerminalText
{
    /// <summary>Shows what would move the cursor, change colours, break the line or turn the direction of writing as its code, such as <c>\u001b</c>.</summary>
    /// <param name="text">The text.</param>
    /// <returns>A line that shows what it says.</returns>
    public static string Escape(string text)
    {
        if (!text.Any(IsOrder)) return text;
        var shown = new StringBuilder(text.Length + 16);
        foreach (char c in text)
        {
            if (IsOrder(c)) shown.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}");
            else shown.Append(c);
        }

        return shown.ToString();
    }

    // Control characters of both tables, line and paragraph separators, and marks of direction (Unicode, UAX 9).
    private static bool IsOrder(char c) => char.IsControl(c) || c is '\u2028' or '\u2029' or '\u061c' or '\u200e' or '\u200f' or (>= '\u202a' and <= '\u202e') or (>= '\u2066' and <= '\u2069');
}
