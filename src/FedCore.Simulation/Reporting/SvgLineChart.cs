using System.Globalization;
using System.Text;
using static System.FormattableString;

namespace FedCore.Simulation.Reporting;

/// <summary>A line over rounds.</summary>
/// <param name="Name">What it shows.</param>
/// <param name="Points">Round and value; values that are not finite leave a gap.</param>
internal sealed record Series(string Name, IReadOnlyList<(double X, double Y)> Points);

/// <summary>A chart of a few lines as SVG, drawn with the page's own colours.</summary>
internal static class SvgLineChart
{
    private const int Width = 560, Height = 250, Left = 56, Right = 12, Top = 14, Bottom = 34;

    public static string Draw(IReadOnlyList<Series> series, Func<double, string> label)
    {
        (double X, double Y)[] all = [.. series.SelectMany(s => s.Points).Where(p => double.IsFinite(p.Y))];
        if (all.Length == 0) return "<p class=\"none\">No values.</p>";
        double x0 = all.Min(p => p.X), x1 = all.Max(p => p.X);
        if (x0 == x1) (x0, x1) = (x0 - 0.5, x1 + 0.5);
        double[] ticks = Ticks(all.Min(p => p.Y), all.Max(p => p.Y));
        double y0 = ticks[0], y1 = ticks[^1];
        double X(double x) => Left + (x - x0) / (x1 - x0) * (Width - Left - Right);
        double Y(double y) => Height - Bottom - (y - y0) / (y1 - y0) * (Height - Top - Bottom);

        var svg = new StringBuilder();
        svg.Append(Invariant($"<svg viewBox=\"0 0 {Width} {Height}\" role=\"img\">"));
        foreach (double tick in ticks)
        {
            svg.Append(Invariant($"<line class=\"grid\" x1=\"{Left}\" x2=\"{Width - Right}\" y1=\"{Y(tick):F1}\" y2=\"{Y(tick):F1}\"/>"));
            svg.Append(Invariant($"<text x=\"{Left - 6}\" y=\"{Y(tick) + 4:F1}\" text-anchor=\"end\">{Html.Escape(label(tick))}</text>"));
        }

        foreach (double tick in Ticks(x0, x1).Where(t => t >= x0 && t <= x1 && t == Math.Floor(t)))
            svg.Append(Invariant($"<text x=\"{X(tick):F1}\" y=\"{Height - Bottom + 16}\" text-anchor=\"middle\">{tick:F0}</text>"));
        svg.Append(Invariant($"<text x=\"{(Left + Width - Right) / 2}\" y=\"{Height - 3}\" text-anchor=\"middle\">round</text>"));
        for (int i = 0; i < series.Count; i++) AppendLine(svg, series[i], i, X, Y, label);
        return svg.Append("</svg>").ToString();
    }

    private static void AppendLine(StringBuilder svg, Series series, int index, Func<double, double> x, Func<double, double> y, Func<double, string> label)
    {
        var path = new StringBuilder();
        bool isOpen = false;
        foreach ((double px, double py) in series.Points)
        {
            if (double.IsFinite(py)) path.Append(Invariant($"{(isOpen ? 'L' : 'M')}{x(px):F1} {y(py):F1}"));
            isOpen = double.IsFinite(py);
        }

        svg.Append(Invariant($"<path class=\"line s{index}\" d=\"{path}\"/>"));
        if (series.Points.Count > 400) return;
        double radius = series.Points.Count == 1 ? 5 : 2.2;
        foreach ((double px, double py) in series.Points.Where(p => double.IsFinite(p.Y)))
        {
            svg.Append(Invariant($"<circle class=\"dot s{index}\" cx=\"{x(px):F1}\" cy=\"{y(py):F1}\" r=\"{radius}\"><title>"));
            svg.Append(Html.Escape(Invariant($"round {px}: {series.Name} {label(py)}"))).Append("</title></circle>");
        }
    }

    // Round numbers that enclose the range: 1, 2 or 5 times a power of ten apart.
    private static double[] Ticks(double low, double high)
    {
        if (high <= low)
        {
            double pad = Math.Max(Math.Abs(low) * 0.05, 1e-9);
            (low, high) = (low - pad, high + pad);
        }

        double raw = (high - low) / 4, power = Math.Pow(10, Math.Floor(Math.Log10(raw)));
        double step = new[] { 1.0, 2, 5, 10 }.First(m => m * power >= raw * 0.999) * power;
        int first = (int)Math.Floor(low / step + 1e-9), last = (int)Math.Ceiling(high / step - 1e-9);
        return [.. Enumerable.Range(first, last - first + 1).Select(i => i * step)];
    }
}

/// <summary>Small helpers for markup.</summary>
internal static class Html
{
    public static string Escape(string text) => System.Net.WebUtility.HtmlEncode(text);

    public static string Number(double value) => !double.IsFinite(value)
        ? value.ToString(CultureInfo.InvariantCulture)
        : Math.Abs(value) is > 0 and < 0.001 or >= 100_000 ? value.ToString("0.##e0", CultureInfo.InvariantCulture)
        : value.ToString("0.####", CultureInfo.InvariantCulture);

    public static string Bytes(double bytes)
    {
        string[] units = ["B", "kB", "MB", "GB", "TB", "PB"];
        int unit = 0;
        for (; Math.Abs(bytes) >= 1000 && unit < units.Length - 1; unit++) bytes /= 1000;
        return bytes.ToString(unit == 0 || bytes >= 100 ? "0" : "0.#", CultureInfo.InvariantCulture) + " " + units[unit];
    }
}
