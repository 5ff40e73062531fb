using System.Diagnostics;
using FedCore.Aggregation;
using FedCore.Aggregation.Robust;
using FedCore.Numerics;
using FedCore.Updates;

namespace FedCore.Benchmarks.Suites;

/// <summary>Input bytes per second and thread through robust rules, from 100 updates of a million numbers that lie in memory; spooling is part of it.</summary>
internal static class RobustSuite
{
    private const int Length = 1_000_000, Updates = 100, Repetitions = 5;

    public static void Run(Figures figures)
    {
        UpdateLayout layout = MemoryUpdate.Layout(Length);
        RandomStream random = new RandomKeys([], 1).Stream("updates");
        MemoryUpdate[] updates = [.. Enumerable.Range(0, Updates).Select(_ => new MemoryUpdate(layout, random))];
        (string Figure, IAggregator Rule)[] rules =
        [
            ("median_1m_x100", new CoordinateMedian()), ("trimmed_mean_1m_x100", new TrimmedMean()), ("krum_1m_x100", new Krum()), ("multi_krum_1m_x100", new MultiKrum()),
            ("bulyan_1m_x100", new Bulyan()), ("geometric_median_1m_x100", new GeometricMedian()), ("norm_clipping_1m_x100", new NormClipping()),
        ];
        foreach ((string figure, IAggregator rule) in rules)
        {
            using var pool = new FlatVectorPool();
            using var resources = new AggregationResources(1, pool);
            var rates = new List<double>();
            for (int i = 0; i < Repetitions + 1; i++)
            {
                long start = Stopwatch.GetTimestamp();
                AggregationResult result = rule.AggregateAsync(layout, updates, resources, default).AsTask().GetAwaiter().GetResult();
                double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
                pool.Return(result.Sum.Vector);
                if (i > 0) rates.Add(layout.ByteLength * (double)Updates / seconds / 1e9);
            }

            figures.Report("robust", figure, Figures.Median(rates), "GB/s", new { least = Math.Round(rates.Min(), 2), most = Math.Round(rates.Max(), 2) });
        }

        foreach (MemoryUpdate update in updates) update.Dispose();
    }
}
