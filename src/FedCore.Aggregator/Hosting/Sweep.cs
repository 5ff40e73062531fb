using FedCore.Aggregator.Runs;
using FedCore.Aggregator.Sites;
using FedCore.Aggregator.Telemetry;

namespace FedCore.Aggregator.Hosting;

/// <summary>Ends calls that have waited long enough, and takes tasks for lost that nobody has heard of. What fails is tried again the next time.</summary>
internal sealed class Sweep(AggregatorParts parts, RunDirectory runs)
{
    private static readonly TimeSpan Every = TimeSpan.FromSeconds(1);

    /// <summary>Does so until the aggregator stops.</summary>
    /// <param name="started">When this process began: models that an earlier one left unfinished are older.</param>
    /// <param name="ct">Tells it to stop.</param>
    public async Task RunAsync(DateTimeOffset started, CancellationToken ct)
    {
        _ = CollectAsync(started, ct);
        using var timer = new PeriodicTimer(Every, parts.Clock);
        try
        {
            while (await timer.WaitForNextTickAsync(ct).ConfigureAwait(false)) Guarded(SweepOnce);
        }
        catch (OperationCanceledException)
        {
            // The aggregator stops.
        }
    }

    private async Task CollectAsync(DateTimeOffset started, CancellationToken ct)
    {
        await runs.Recovered.WaitAsync(ct).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (runs.Recovered.IsCompletedSuccessfully) await Task.Run(() => Guarded(() => parts.Blobs.Collect(started)), ct).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private void SweepOnce()
    {
        long now = parts.Clock.GetTimestamp(), liveness = parts.Settings.LivenessSeconds * parts.Clock.TimestampFrequency;
        foreach (Site site in parts.Sites.All) Guarded(() => site.EndPoll(now));
        foreach (RunHost run in runs.All) Guarded(() => run.LoseSilent(now - liveness));
    }

    // Whoever it is that fails, nobody else waits for ever.
    private void Guarded(Action work)
    {
        try
        {
            work();
        }
        catch (Exception fault)
        {
            Log.SweepFailed(parts.Logger, fault);
        }
    }
}
