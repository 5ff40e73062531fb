using System.Diagnostics;

namespace FedCore.Benchmarks.Service;

/// <summary>What sites cost that wait for work, each on a connection of its own, and how fast a round reaches all of them.</summary>
internal static class IdleFigures
{
    // Longer than a call for work waits: each of them is then behind its first.
    private static readonly TimeSpan Settling = TimeSpan.FromSeconds(60);

    public static async Task RunAsync(Figures figures)
    {
        const int plain = 10_000, tls = 2_000;
        await MeasureAsync(figures, plain, isTls: false);
        await MeasureAsync(figures, tls, isTls: true);
    }

    private static async Task MeasureAsync(Figures figures, int count, bool isTls)
    {
        using AggregatorProcess aggregator = await AggregatorProcess.StartAsync(count, isTls);
        double before = aggregator.Process.AnonymousMb;
        ServiceRun run = ServiceRun.Small(rounds: 1);
        using var sites = new SiteProcesses(aggregator, answers: false, run);
        long start = Stopwatch.GetTimestamp();
        await sites.WaitingAsync();
        double connectSeconds = Math.Round(Stopwatch.GetElapsedTime(start).TotalSeconds, 1);
        double cpu = aggregator.Process.CpuMilliseconds, connected = aggregator.Process.AnonymousMb;
        await Task.Delay(Settling);
        double idle = aggregator.Process.AnonymousMb;
        object detail = new
        {
            clients = count,
            connectSeconds,
            connectedKb = Math.Round(1024 * (connected - before) / count, 1),
            cpuMsPerClientMinute = Math.Round((aggregator.Process.CpuMilliseconds - cpu) / count / Settling.TotalMinutes, 2),
        };
        figures.Report(ServiceSuite.Name, isTls ? "idle_client_tls_kb" : "idle_client_kb", 1024 * (idle - before) / count, "KiB", detail);
        if (isTls) return;
        await aggregator.CreateAsync(run);
        start = Stopwatch.GetTimestamp();
        await sites.TasksAsync();
        figures.Report(ServiceSuite.Name, "fan_out_10k_s", Stopwatch.GetElapsedTime(start).TotalSeconds, "s", new { clients = count });
    }
}
