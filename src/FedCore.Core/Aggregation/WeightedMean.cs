using FedCore.Updates;

namespace FedCore.Aggregation;

/// <summary>
/// The sum of updates that already carry their weights, from which a strategy forms the weighted mean (McMahan et al. 2017, algorithm 1). Updates are
/// folded one by one, in cohort order in fixed lanes, so that nothing is kept per client and the sum has the same bits for any number of threads.
/// </summary>
public sealed class WeightedMean : IAggregator
{
    /// <inheritdoc/>
    public async ValueTask<AggregationResult> AggregateAsync(
        UpdateLayout layout, IReadOnlyList<IUpdateSource> updates, AggregationResources resources, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(layout);
        ArgumentNullException.ThrowIfNull(updates);
        ArgumentNullException.ThrowIfNull(resources);
        using var lanes = new FoldLanes(layout, resources.Pool, updates.Count, resources.Threads);
        var refused = new List<(int Index, UpdateRefusedException Reason)>();

        async Task FoldAsync()
        {
            try
            {
                while (await lanes.TakeAsync(ct).ConfigureAwait(false) is { } lane)
                {
                    for (int index = lane.Begin; index < lane.End; index++)
                    {
                        try
                        {
                            using IUpdateReader reader = await updates[index].OpenAsync(ct).ConfigureAwait(false);
                            lanes.Fold(lane, reader);
                        }
                        catch (UpdateRefusedException reason)
                        {
                            lock (refused) refused.Add((index, reason));
                        }
                    }

                    lanes.Complete(lane);
                }
            }
            catch
            {
                lanes.Abort();
                throw;
            }
        }

        int workers = Math.Clamp(resources.Threads, 1, Math.Max(1, lanes.Count));
        var others = new Task[workers - 1];
        for (int i = 0; i < others.Length; i++) others[i] = Task.Run(FoldAsync, ct);
        Task own = FoldAsync();
        await Task.WhenAll([own, .. others]).ConfigureAwait(false);

        refused.Sort((a, b) => a.Index.CompareTo(b.Index));
        return new AggregationResult(lanes.Sum(), refused);
    }
}
