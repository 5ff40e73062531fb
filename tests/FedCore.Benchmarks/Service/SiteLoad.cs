using System.Collections.Concurrent;
using System.Text.Json;

namespace FedCore.Benchmarks.Service;

/// <summary>What a process of sites is to do.</summary>
/// <param name="Address">The aggregator.</param>
/// <param name="Certificate">A PEM file with the certificate to trust; null in plain text.</param>
/// <param name="Tokens">The sites' tokens.</param>
/// <param name="Runs">The runs that they take part in.</param>
/// <param name="Answers">Whether they answer tasks; otherwise they only take one each.</param>
internal sealed record SiteLoad(string Address, string? Certificate, IReadOnlyList<string> Tokens, IReadOnlyList<ServiceRun> Runs, bool Answers);

/// <summary>
/// Many sites in one process, each with a connection and a token of its own. The process says when all of them wait for work, when it first sees a round, and
/// when all have a task.
/// </summary>
internal static class SiteRole
{
    /// <summary>What this process is started with.</summary>
    public const string Argument = "--as-sites";

    // Connections that are being made at once: fewer than the listener's queue is long.
    private const int Connecting = 64;

    public static async Task<int> RunAsync()
    {
        SiteLoad load = JsonSerializer.Deserialize<SiteLoad>(Console.In.ReadLine()!)!;
        var updates = load.Runs.ToDictionary(run => run.Name, run => new UpdateTemplate(run.Plan()));
        var news = new SiteNews(load.Tokens.Count);
        using var connecting = new SemaphoreSlim(Connecting);
        LoadSite[] sites = [.. load.Tokens.Select((token, number) => new LoadSite(load, token, number, updates, news))];
        Task[] working = [.. sites.Select(site => Task.Run(() => site.RunAsync(connecting)))];
        try
        {
            Task first = await Task.WhenAny(Task.Run(Console.In.ReadLine), Task.WhenAll(working), FirstFault(working));
            await first;
            return 0;
        }
        catch (Exception fault)
        {
            Console.Out.WriteLine($"failed {fault.Message}");
            return 1;
        }
    }

    private static async Task FirstFault(Task[] tasks)
    {
        await foreach (Task task in Task.WhenEach(tasks))
            if (!task.IsCompletedSuccessfully) await task;
    }
}

/// <summary>Tells the benchmark how far a process's sites are. Safe for many threads.</summary>
internal sealed class SiteNews(int sites)
{
    private readonly ConcurrentDictionary<(string Run, int Round), bool> _rounds = new();
    private int _waiting, _tasks;

    public void Waits()
    {
        if (Interlocked.Increment(ref _waiting) == sites) Console.Out.WriteLine("waiting");
    }

    public void Takes(string run, int round)
    {
        if (Interlocked.Increment(ref _tasks) == sites) Console.Out.WriteLine("tasks");
        if (_rounds.TryAdd((run, round), true)) Console.Out.WriteLine(LineOf(run, round));
    }

    /// <summary>What is said when a site is the first to have a task of a round.</summary>
    public static string LineOf(string run, int round) => $"round {round} of {run}";
}
