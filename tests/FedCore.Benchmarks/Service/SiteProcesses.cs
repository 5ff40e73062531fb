using System.Text.Json;

namespace FedCore.Benchmarks.Service;

/// <summary>Sites of an aggregator, in two processes.</summary>
internal sealed class SiteProcesses : IDisposable
{
    private const int Count = 2;

    private readonly ChildProcess[] _processes;

    public SiteProcesses(AggregatorProcess aggregator, IReadOnlyList<string> tokens, bool answers, params IReadOnlyList<ServiceRun> runs)
    {
        _processes = [.. Enumerable.Range(0, Count).Select(_ => new ChildProcess(SiteRole.Argument))];
        for (int i = 0; i < Count; i++)
        {
            string[] share = [.. tokens.Where((_, number) => number % Count == i)];
            _processes[i].Send(JsonSerializer.Serialize(new SiteLoad(aggregator.Address, aggregator.Certificate, share, runs, answers)));
        }
    }

    public double CpuMilliseconds => _processes.Sum(process => process.CpuMilliseconds);

    /// <summary>Ends when all sites wait for work.</summary>
    public Task WaitingAsync() => Task.WhenAll(_processes.Select(process => process.ReadAsync("waiting")));

    /// <summary>Ends when all sites have a task.</summary>
    public Task TasksAsync() => Task.WhenAll(_processes.Select(process => process.ReadAsync("tasks")));

    /// <summary>Ends when the first site of a process has a task of a round.</summary>
    public Task RoundAsync(ServiceRun run, int round) => _processes[0].ReadAsync(SiteNews.LineOf(run.Name, round));

    public void Dispose()
    {
        foreach (ChildProcess process in _processes) process.Dispose();
    }
}
