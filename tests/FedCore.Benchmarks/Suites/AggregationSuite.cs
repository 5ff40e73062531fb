using System.Diagnostics;
using FedCore.Aggregation;
using FedCore.Numerics;
using FedCore.Updates;

namespace FedCore.Benchmarks.Suites;

/// <summary>Input bytes per second and thread through the weighted mean, from updates that lie in memory.</summary>
internal static class AggregationSuite
{
    private const int Repetitions = 15;

    public static void Run(Figures figures)
    {
        Mean(figures, "mean_1m_x50", 1_000_000, 50);
        Mean(figures, "mean_7850_x1000", 7850, 1000);
    }

    private static void Mean(Figures figures, string figure, int length, int count)
    {
        UpdateLayout layout = MemoryUpdate.Layout(length);
        RandomStream random = new RandomKeys([], 1).Stream("updates");
        using var pool = new FlatVectorPool();
        MemoryUpdate[] updates = [.. Enumerable.Range(0, count).Select(_ => new MemoryUpdate(layout, random))];
        using var resources = new AggregationResources(1, pool);
        var rates = new List<double>();
        for (int i = 0; i < Repetitions; i++)
        {
            long start = Stopwatch.GetTimestamp();
            AggregationResult result = new WeightedMean().AggregateAsync(layout, updates, resources, default).AsTask().GetAwaiter().GetResult();
            double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
            pool.Return(result.Sum.Vector);
            rates.Add(layout.ByteLength * (double)count / seconds / 1e9);
        }

        figures.Report("aggregation", figure, Figures.Median(rates.Skip(3)), "GB/s", new { copyGbPerSecond = Math.Round(MachineRates.Copy(), 1) });
        foreach (MemoryUpdate update in updates) update.Dispose();
    }
}
