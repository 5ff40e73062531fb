using System.Text;
using static System.FormattableString;

namespace FedCore.Simulation.Reporting;

/// <summary>A table of coloured cells as SVG: rows are clients.</summary>
internal static class SvgHeatMap
{
    private const int RowHeight = 16, Label = 120, Total = 64, Narrow = 560, Wide = 1180, Head = 20;

    // What is there is seen, however little it is.
    private const double LeastShade = 0.06;

    /// <summary>Draws amounts: the darker, the larger the share of the row's largest cell. Rows of different sums compare by what they consist of.</summary>
    /// <param name="rows">The rows' names.</param>
    /// <param name="columns">The columns' names.</param>
    /// <param name="values">Amounts by row and column.</param>
    public static string DrawAmounts(IReadOnlyList<string> rows, IReadOnlyList<string> columns, int[,] values)
    {
        int[] largest = [.. Enumerable.Range(0, rows.Count).Select(r => Enumerable.Range(0, columns.Count).Max(c => values[r, c]))];
        return Draw(rows, columns, (r, c) => values[r, c] == 0 ? 0 : Math.Max(LeastShade, values[r, c] / (double)largest[r]), (r, c) => Invariant($"{values[r, c]}"),
            r => Invariant($"{Enumerable.Range(0, columns.Count).Sum(c => values[r, c])}"), "examples");
    }

    /// <summary>Draws classes of cells, each with a colour of its own.</summary>
    /// <param name="rows">The rows' names.</param>
    /// <param name="columns">The columns' rounds.</param>
    /// <param name="isWide">Whether it goes across the page.</param>
    /// <param name="style">The cell's style class, or null for an empty cell.</param>
    /// <param name="title">What a cell says.</param>
    /// <param name="total">What stands behind a row.</param>
    public static string DrawClasses(
        IReadOnlyList<string> rows, IReadOnlyList<int> columns, bool isWide, Func<int, int, string?> style, Func<int, int, string> title, Func<int, string> total)
    {
        int width = isWide ? Wide : Narrow;
        var svg = Open(rows.Count, width);
        double cell = (width - Label - Total) / (double)columns.Count;
        for (int r = 0; r < rows.Count; r++)
        {
            AppendRow(svg, rows[r], total(r), r, width);
            for (int c = 0; c < columns.Count; c++)
            {
                if (style(r, c) is not { } name) continue;
                svg.Append(Invariant($"<rect class=\"{name}\" x=\"{Label + c * cell:F2}\" y=\"{Head + r * RowHeight}\" width=\"{Math.Max(0.5, cell - 0.5):F2}\" height=\"{RowHeight - 2}\">"));
                svg.Append("<title>").Append(Html.Escape(title(r, c))).Append("</title></rect>");
            }
        }

        for (int c = 0; c < columns.Count; c += Math.Max(1, columns.Count / (isWide ? 20 : 8)))
            svg.Append(Invariant($"<text x=\"{Label + (c + 0.5) * cell:F1}\" y=\"{Head - 6}\" text-anchor=\"middle\">{columns[c]}</text>"));
        return svg.Append(Invariant($"<text x=\"{width}\" y=\"{Head - 6}\" text-anchor=\"end\">in the sum</text></svg>")).ToString();
    }

    private static string Draw(
        IReadOnlyList<string> rows, IReadOnlyList<string> columns, Func<int, int, double> shade, Func<int, int, string> text, Func<int, string> total, string unit)
    {
        var svg = Open(rows.Count, Narrow);
        double cell = (Narrow - Label - Total) / (double)columns.Count;
        for (int c = 0; c < columns.Count; c++)
            svg.Append(Invariant($"<text x=\"{Label + (c + 0.5) * cell:F1}\" y=\"{Head - 6}\" text-anchor=\"middle\">{Html.Escape(columns[c])}</text>"));
        svg.Append(Invariant($"<text x=\"{Narrow}\" y=\"{Head - 6}\" text-anchor=\"end\">{unit}</text>"));
        for (int r = 0; r < rows.Count; r++)
        {
            AppendRow(svg, rows[r], total(r), r, Narrow);
            for (int c = 0; c < columns.Count; c++)
            {
                svg.Append(Invariant($"<rect class=\"heat\" style=\"fill-opacity:{shade(r, c):F3}\" x=\"{Label + c * cell:F1}\" y=\"{Head + r * RowHeight}\" width=\"{cell - 1:F1}\" height=\"{RowHeight - 2}\">"));
                svg.Append("<title>").Append(Html.Escape($"{rows[r]}, {columns[c]}: {text(r, c)} {unit}")).Append("</title></rect>");
            }
        }

        return svg.Append("</svg>").ToString();
    }

    private static StringBuilder Open(int rows, int width) =>
        new(Invariant($"<svg viewBox=\"0 0 {width} {Head + rows * RowHeight + 2}\" role=\"img\">"));

    private static void AppendRow(StringBuilder svg, string name, string total, int row, int width)
    {
        int y = Head + row * RowHeight + RowHeight - 5;
        string shown = name.Length <= 18 ? name : name[..17] + "…";
        svg.Append(Invariant($"<text x=\"{Label - 6}\" y=\"{y}\" text-anchor=\"end\">{Html.Escape(shown)}</text>"));
        svg.Append(Invariant($"<text x=\"{width}\" y=\"{y}\" text-anchor=\"end\">{Html.Escape(total)}</text>"));
    }
}
