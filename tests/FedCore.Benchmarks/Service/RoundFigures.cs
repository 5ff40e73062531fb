using System.Diagnostics;

namespace FedCore.Benchmarks.Service;

/// <summary>Rounds of FedAvg in which every site takes part, one behind the other: updates per second, and what each costs the aggregator.</summary>
internal static class RoundFigures
{
    public static async Task SmallAsync(Figures figures)
    {
        const int sites = 1000, warmUp = 40, rounds = 20;
        Measured measured = await MeasureAsync(sites, [], ServiceRun.Small(warmUp + rounds + 1), warmUp);
        object detail = measured.Detail(sites, rounds);
        figures.Report(ServiceSuite.Name, "clients_per_s_31kb", measured.PerSecond, "/s", detail);
        figures.Report(ServiceSuite.Name, "server_cpu_ms_31kb", measured.CpuMs, "ms", detail);
        figures.Report(ServiceSuite.Name, "fsyncs_per_update_31kb", measured.Syncs, "", detail);
    }

    // What is idle has served a run of small updates: its code is compiled, and none of the memory is there that large ones take.
    public static async Task LargeAsync(Figures figures)
    {
        const int sites = 20, warmUp = 300, rounds = 30;
        Measured measured = await MeasureAsync(sites, [ServiceRun.Small(200)], ServiceRun.Large(warmUp + rounds + 1), warmUp);
        object detail = measured.Detail(sites, rounds);
        figures.Report(ServiceSuite.Name, "clients_per_s_4mb", measured.PerSecond, "/s", detail);
        figures.Report(ServiceSuite.Name, "server_cpu_ms_4mb", measured.CpuMs, "ms", detail);
        figures.Report(ServiceSuite.Name, "server_peak_extra_mb_4mb_x20", measured.PeakMb - measured.IdleMb, "MB", detail);
    }

    // The whole run counts: the first model is drawn and kept, four sites fetch it and send an update each, and the sum moves it.
    public static async Task HugeAsync(Figures figures)
    {
        const double modelMb = 1024;
        var run = ServiceRun.Huge(1);
        using AggregatorProcess aggregator = await AggregatorProcess.StartAsync(4);
        using var sites = new SiteProcesses(aggregator, aggregator.Tokens, answers: true, run);
        await sites.WaitingAsync();
        using var ended = new CancellationTokenSource();
        Task<double> peak = PeakAsync(aggregator.Process, ended.Token);
        long start = Stopwatch.GetTimestamp();
        await aggregator.CreateAsync(run);
        await aggregator.CompletedAsync(run);
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        await ended.CancelAsync();
        figures.Report(ServiceSuite.Name, "large_model_peak_ratio", await peak / modelMb, "", new { sites = 4, rounds = 1, peakMb = Math.Round(await peak, 1), seconds = Math.Round(seconds, 1) });
    }

    // From the first task of the round behind the warm-up to the first task of the last one: whole rounds, with all that lies between them.
    private static async Task<Measured> MeasureAsync(int siteCount, ServiceRun[] before, ServiceRun run, int warmUp)
    {
        using AggregatorProcess aggregator = await AggregatorProcess.StartAsync(siteCount);
        ChildProcess process = aggregator.Process;
        double startMb = process.AnonymousMb;
        using var sites = new SiteProcesses(aggregator, aggregator.Tokens, answers: true, [.. before, run]);
        await sites.WaitingAsync();
        foreach (ServiceRun earlier in before)
        {
            await aggregator.CreateAsync(earlier);
            await aggregator.CompletedAsync(earlier);
        }

        double idleMb = process.AnonymousMb;
        using var ended = new CancellationTokenSource();
        Task<double> peak = PeakAsync(process, ended.Token);
        await aggregator.CreateAsync(run);
        await sites.RoundAsync(run, warmUp + 1);
        (long start, double cpu, double sitesCpu, long syncs) = (Stopwatch.GetTimestamp(), process.CpuMilliseconds, sites.CpuMilliseconds, await aggregator.SyncsAsync());
        await sites.RoundAsync(run, run.Rounds);
        (double seconds, cpu, sitesCpu, syncs) =
            (Stopwatch.GetElapsedTime(start).TotalSeconds, process.CpuMilliseconds - cpu, sites.CpuMilliseconds - sitesCpu, await aggregator.SyncsAsync() - syncs);
        await aggregator.CompletedAsync(run);
        await ended.CancelAsync();
        double updates = siteCount * (run.Rounds - warmUp - 1);
        return new Measured(updates / seconds, cpu / updates, sitesCpu / updates, syncs / updates, startMb, idleMb, await peak, MachineRates.Sha256(), MachineRates.Copy());
    }

    private static async Task<double> PeakAsync(ChildProcess process, CancellationToken ct)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(10));
        double peak = 0;
        while (!ct.IsCancellationRequested)
        {
            peak = Math.Max(peak, process.AnonymousMb);
            await timer.WaitForNextTickAsync(CancellationToken.None);
        }

        return peak;
    }

    /// <summary>Per update: the aggregator's processor time, that of the sites' processes, and the aggregator's syncs. Its memory when it had started, before the run, and at most. And what the machine did just then.</summary>
    private sealed record Measured(
        double PerSecond, double CpuMs, double SitesCpuMs, double Syncs, double StartMb, double IdleMb, double PeakMb, double Sha256GbPerSecond, double CopyGbPerSecond)
    {
        public object Detail(int sites, int rounds) => new
        {
            sites,
            rounds,
            clientsPerS = Math.Round(PerSecond),
            serverCpuMs = Math.Round(CpuMs, 3),
            sitesCpuMs = Math.Round(SitesCpuMs, 3),
            fsyncsPerUpdate = Math.Round(Syncs, 4),
            startMb = Math.Round(StartMb, 1),
            idleMb = Math.Round(IdleMb, 1),
            peakMb = Math.Round(PeakMb, 1),
            sha256GbPerSecond = Math.Round(Sha256GbPerSecond, 2),
            copyGbPerSecond = Math.Round(CopyGbPerSecond, 1),
        };
    }
}
