using Microsoft.Extensions.Hosting;

namespace FedCore.Aggregator.Hosting;

/// <summary>Leaves the signals that end a process to the program that the aggregator is a part of.</summary>
internal sealed class NoSignals : IHostLifetime
{
    public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
