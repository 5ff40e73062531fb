using System.Globalization;
using System.Text;
using FedCore.Tests;

namespace FedCore.Core.Tests.Privacy.Accounting;

/// <summary>The rows of a file of expected values.</summary>
internal static class ReferenceRows
{
    /// <summary>Reads a file of the shared vectors.</summary>
    /// <param name="name">Its name.</param>
    /// <returns>Its rows without the heading.</returns>
    public static IReadOnlyList<string[]> Of(string name) => [.. File.ReadAllLines(SharedData.Require($"vectors/{name}.csv")).Skip(1).Select(Fields)];

    /// <summary>A number of a row.</summary>
    public static double Number(string text) => double.Parse(text, CultureInfo.InvariantCulture);

    /// <summary>The value behind <c>name=</c> in a list like <c>a=1;b=2</c>.</summary>
    public static double Parameter(string list, string name) =>
        Number(list.Split(';').Single(part => part.StartsWith(name + "=", StringComparison.Ordinal))[(name.Length + 1)..].Split('(')[0]);

    private static string[] Fields(string line)
    {
        List<string> fields = [];
        var field = new StringBuilder();
        bool isQuoted = false;
        foreach (char c in line)
        {
            if (c == '"') isQuoted = !isQuoted;
            else if (c == ',' && !isQuoted)
            {
                fields.Add(field.ToString());
                field.Clear();
            }
            else field.Append(c);
        }

        return [.. fields, field.ToString()];
    }
}
