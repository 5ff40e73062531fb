namespace FedCore.Cli.Display;

/// <summary>Rows under headings.</summary>
internal static class TextTable
{
    /// <summary>Writes a table.</summary>
    /// <param name="output">Where to.</param>
    /// <param name="head">The headings.</param>
    /// <param name="rows">The rows, each with as many cells.</param>
    /// <param name="nothing">What is written where there are no rows.</param>
    public static void Write(TextWriter output, string[] head, IEnumerable<string[]> rows, string nothing)
    {
        string[][] all = [head, .. rows];
        if (all.Length == 1)
        {
            output.WriteLine(nothing);
            return;
        }

        int[] widths = [.. head.Select((_, column) => all.Max(row => row[column].Length))];
        foreach (string[] row in all) output.WriteLine(string.Join("   ", row.Select((cell, i) => cell.PadRight(widths[i]))).TrimEnd());
    }
}
