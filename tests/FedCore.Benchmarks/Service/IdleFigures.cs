using System.Diagnostics;

namespace FedCore.Benchmarks.Service;

/// <summary>What sites cost that wait for work, each on a connection of its own, and how fast a round reaches all of them.</summary>
internal static class IdleFigures
{
    // Longer than a call for work waits: each of them is then behind its first.
    private static readonly TimeSpan Settling = TimeSpan.FromSeconds(60);

    // These are there before the memory of the others is counted: code is compiled by then.
    private const int Early = 200;

    public static async Task RunAsync(Figures figures)
    {
        const int plain = 10_000, tls = 2_000;
        await MeasureAsync(figures, plain, isTls: false);
        await MeasureAsync(figures, tls, isTls: true);
    }

    private static async Task MeasureAsync(Figures figures, int count, bool isTls)
    {
        using AggregatorProcess aggregator = await AggregatorProcess.StartAsync(count, isTls);
        double atStart = aggregator.Process.AnonymousMb;
        ServiceRun run = ServiceRun.Small(rounds: 1);
        using var early = new SiteProcesses(aggregator, [.. aggregator.Tokens.Take(Early)], answers: false, run);
        await early.WaitingAsync();
        double before = aggregator.Process.AnonymousMb;
        using var sites = new SiteProcesses(aggregator, [.. aggregator.Tokens.Skip(Early)], answers: false, run);
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
            startMb = Math.Round(atStart, 1),
            beforeMb = Math.Round(before, 1),
            connectedMb = Math.Round(connected, 1),
            idleMb = Math.Round(idle, 1),
            cpuMsPerClientMinute = Math.Round((aggregator.Process.CpuMilliseconds - cpu) / count / Settling.TotalMinutes, 2),
        };
        figures.Report(ServiceSuite.Name, isTls ? "idle_client_tls_kb" : "idle_client_kb", 1024 * (idle - before) / (count - Early), "KiB", detail);
        if (isTls) return;
        await aggregator.CreateAsync(run);
        (start, cpu, double sitesCpu) = (Stopwatch.GetTimestamp(), aggregator.Process.CpuMilliseconds, sites.CpuMilliseconds);
        await Task.WhenAll(early.TasksAsync(), sites.TasksAsync());
        figures.Report(ServiceSuite.Name, "fan_out_10k_s", Stopwatch.GetElapsedTime(start).TotalSeconds, "s", new
        {
            clients = count,
            serverCpuS = Math.Round((aggregator.Process.CpuMilliseconds - cpu) / 1000, 2),
            sitesCpuS = Math.Round((sites.CpuMilliseconds - sitesCpu) / 1000, 2),
        });
    }
}
