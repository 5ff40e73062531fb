using System.Text;
using FedCore.Strategies.Statistics;
using static System.FormattableString;

namespace FedCore.Simulation.Reporting;

/// <summary>Shares as bars, from left to right.</summary>
internal static class SvgBarChart
{
    private const int Width = 560, Height = 250, Left = 56, Right = 12, Top = 14, Bottom = 34, MostLabels = 8;

    public static string Draw(ColumnHistogram histogram)
    {
        double most = histogram.Shares.Max(), least = Math.Min(0, histogram.Shares.Min());
        if (!(most > least)) return "<p class=\"none\">No values.</p>";
        double step = (double)(Width - Left - Right) / histogram.Shares.Count;
        double Y(double share) => Height - Bottom - (share - least) / (most - least) * (Height - Top - Bottom);
        var svg = new StringBuilder();
        svg.Append(Invariant($"<svg viewBox=\"0 0 {Width} {Height}\" role=\"img\">"));
        foreach (double tick in (double[])[0, most])
        {
            svg.Append(Invariant($"<line class=\"grid\" x1=\"{Left}\" x2=\"{Width - Right}\" y1=\"{Y(tick):F1}\" y2=\"{Y(tick):F1}\"/>"));
            svg.Append(Invariant($"<text x=\"{Left - 6}\" y=\"{Y(tick) + 4:F1}\" text-anchor=\"end\">{tick:0.###}</text>"));
        }

        int every = (histogram.Shares.Count + MostLabels - 1) / MostLabels;
        for (int bin = 0; bin < histogram.Shares.Count; bin++)
        {
            double share = histogram.Shares[bin], top = Math.Min(Y(share), Y(0)), x = Left + bin * step;
            svg.Append(Invariant($"<rect class=\"reported\" x=\"{x + 0.5:F1}\" y=\"{top:F1}\" width=\"{Math.Max(1, step - 1):F1}\" height=\"{Math.Abs(Y(share) - Y(0)):F1}\"><title>{Html.Escape(histogram.Labels[bin])}: {share:0.####}</title></rect>"));
            if (bin % every == 0) svg.Append(Invariant($"<text x=\"{x + step / 2:F1}\" y=\"{Height - Bottom + 16}\" text-anchor=\"middle\">{Html.Escape(histogram.Labels[bin])}</text>"));
        }

        return svg.Append("</svg>").ToString();
    }
}
