using System.Text;
using static System.FormattableString;

namespace FedCore.Simulation.Reporting;

/// <summary>A table of coloured cells as SVG: rows are clients.</summary>
internal static class SvgHeatMap
{
    private const int RowHeight = 16, Label = 120, Total = 64, Width = 560, Head = 20;

    /// <summary>Draws amounts: the darker, the larger the share of the row's largest cell.</summary>
    /// <param name="rows">The rows' names.</param>
    /// <param name="columns">The columns' names.</param>
    /// <param name="values">Amounts by row and column.</param>
    public static string DrawAmounts(IReadOnlyList<string> rows, IReadOnlyList<string> columns, int[,] values)
    {
        int largest = 1;
        foreach (int value in values) largest = Math.Max(largest, value);
        return Draw(rows, columns, (r, c) => Math.Sqrt(values[r, c] / (double)largest), (r, c) => Invariant($"{values[r, c]}"),
            r => Invariant($"{Enumerable.Range(0, columns.Count).Sum(c => values[r, c])}"), "examples");
    }

    /// <summary>Draws classes of cells, each with a colour of its own.</summary>
    /// <param name="rows">The rows' names.</param>
    /// <param name="columns">Number of columns, called 1, 2, ...</param>
    /// <param name="style">The cell's style class, or null for an empty cell.</param>
    /// <param name="title">What a cell says.</param>
    /// <param name="total">What stands behind a row.</param>
    public static string DrawClasses(
        IReadOnlyList<string> rows, int columns, Func<int, int, string?> style, Func<int, int, string> title, Func<int, string> total)
    {
        var svg = Open(rows.Count);
        double cell = (Width - Label - Total) / (double)columns;
        for (int r = 0; r < rows.Count; r++)
        {
            AppendRow(svg, rows[r], total(r), r);
            for (int c = 0; c < columns; c++)
            {
                if (style(r, c) is not { } name) continue;
                svg.Append(Invariant($"<rect class=\"{name}\" x=\"{Label + c * cell:F2}\" y=\"{Head + r * RowHeight}\" width=\"{Math.Max(0.5, cell - 0.5):F2}\" height=\"{RowHeight - 2}\">"));
                svg.Append("<title>").Append(Html.Escape(title(r, c))).Append("</title></rect>");
            }
        }

        for (int c = 0; c < columns; c += Math.Max(1, columns / 8))
            svg.Append(Invariant($"<text x=\"{Label + (c + 0.5) * cell:F1}\" y=\"{Head - 6}\" text-anchor=\"middle\">{c + 1}</text>"));
        return svg.Append(Invariant($"<text x=\"{Width}\" y=\"{Head - 6}\" text-anchor=\"end\">rounds</text></svg>")).ToString();
    }

    private static string Draw(
        IReadOnlyList<string> rows, IReadOnlyList<string> columns, Func<int, int, double> shade, Func<int, int, string> text, Func<int, string> total, string unit)
    {
        var svg = Open(rows.Count);
        double cell = (Width - Label - Total) / (double)columns.Count;
        for (int c = 0; c < columns.Count; c++)
            svg.Append(Invariant($"<text x=\"{Label + (c + 0.5) * cell:F1}\" y=\"{Head - 6}\" text-anchor=\"middle\">{Html.Escape(columns[c])}</text>"));
        svg.Append(Invariant($"<text x=\"{Width}\" y=\"{Head - 6}\" text-anchor=\"end\">{unit}</text>"));
        for (int r = 0; r < rows.Count; r++)
        {
            AppendRow(svg, rows[r], total(r), r);
            for (int c = 0; c < columns.Count; c++)
            {
                svg.Append(Invariant($"<rect class=\"heat\" style=\"fill-opacity:{shade(r, c):F3}\" x=\"{Label + c * cell:F1}\" y=\"{Head + r * RowHeight}\" width=\"{cell - 1:F1}\" height=\"{RowHeight - 2}\">"));
                svg.Append("<title>").Append(Html.Escape($"{rows[r]}, {columns[c]}: {text(r, c)} {unit}")).Append("</title></rect>");
            }
        }

        return svg.Append("</svg>").ToString();
    }

    private static StringBuilder Open(int rows) =>
        new(Invariant($"<svg viewBox=\"0 0 {Width} {Head + rows * RowHeight + 2}\" role=\"img\">"));

    private static void AppendRow(StringBuilder svg, string name, string total, int row)
    {
        int y = Head + row * RowHeight + RowHeight - 5;
        string shown = name.Length <= 18 ? name : name[..17] + "…";
        svg.Append(Invariant($"<text x=\"{Label - 6}\" y=\"{y}\" text-anchor=\"end\">{Html.Escape(shown)}</text>"));
        svg.Append(Invariant($"<text x=\"{Width}\" y=\"{y}\" text-anchor=\"end\">{Html.Escape(total)}</text>"));
    }
}
