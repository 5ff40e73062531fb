using System.ComponentModel.DataAnnotations;
using FedCore.Updates;

namespace FedCore.Rounds;

/// <summary>
/// Shows how a share, such as the accuracy, is distributed over the clients. Each client counts itself in one bin of a histogram; counts are summed like
/// everything else, so nobody's own figure is disclosed.
/// </summary>
public sealed record DistributionPlan
{
    /// <summary>A client with the share v counts in bin round(v x bins), so figures are exact to half of 1 / bins.</summary>
    [Range(1, 10_000)]
    public int Bins { get; init; } = 100;

    /// <summary>The section of a share's histogram.</summary>
    /// <param name="mean">The share's name, such as <c>accuracy</c>.</param>
    /// <returns>The section's name.</returns>
    public static string SectionOf(string mean) => mean + "Histogram";

    /// <summary>The histogram's section.</summary>
    /// <param name="mean">The share's name.</param>
    /// <returns>The section.</returns>
    internal Section Section(string mean) => new(SectionOf(mean), SectionRole.Indicator, Bins + 1);

    /// <summary>The bin of a share.</summary>
    /// <param name="share">From 0 to 1.</param>
    /// <returns>0 to <see cref="Bins"/>.</returns>
    public int BinOf(double share) => (int)Math.Clamp(Math.Round(share * Bins), 0, Bins);
}

/// <summary>How a share is distributed over the clients that evaluated.</summary>
/// <param name="Worst10">The mean of the worst tenth of the clients, at least of one.</param>
/// <param name="Median">The median over the clients.</param>
/// <param name="Best10">The mean of the best tenth of the clients, at least of one.</param>
/// <param name="Clients">How many clients are in each bin: bin i of n + 1 stands for i / n.</param>
public sealed record ClientDistribution(double Worst10, double Median, double Best10, IReadOnlyList<int> Clients)
{
    /// <summary>Figures from a histogram's sums.</summary>
    /// <param name="sum">The sums.</param>
    /// <param name="section">The histogram.</param>
    /// <returns>The figures; null where nobody is counted.</returns>
    internal static ClientDistribution? From(UpdateSum sum, string section)
    {
        int[] counts = new int[sum.Layout.Find(section).Section.Length];
        for (int bin = 0; bin < counts.Length; bin++) counts[bin] = (int)Math.Round(sum.Scalar(section, bin));
        int clients = counts.Sum(), tenth = (clients + 9) / 10;
        if (clients == 0) return null;
        double median = (At(counts, (clients - 1) / 2) + At(counts, clients / 2)) / 2;
        return new ClientDistribution(Mean(counts, 0, tenth), median, Mean(counts, clients - tenth, tenth), counts);
    }

    private static double Mean(int[] counts, int first, int count) => Enumerable.Range(first, count).Sum(client => At(counts, client)) / count;

    // The share of a client, in ascending order.
    private static double At(int[] counts, int client)
    {
        int bin = 0;
        while (client >= counts[bin]) client -= counts[bin++];
        return bin / (double)(counts.Length - 1);
    }
}
