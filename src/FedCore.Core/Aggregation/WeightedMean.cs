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
        using var lanes = new FoldLanes(layout, resources, updates.Count);
        var refused = new List<(int Index, UpdateRefusedException Reason)>();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(ct);

        async Task FoldAsync()
        {
            FoldLanes.Lane? lane = null;
            try
            {
                while ((lane = await lanes.TakeAsync(stop.Token).ConfigureAwait(false)) is not null)
                {
                    for (int index = lane.Begin; index < lane.End; index++)
                    {
                        if (await OpenAsync(index).ConfigureAwait(false) is not { } reader) continue;
                        using (reader) lanes.Fold(lane, reader);
                    }

                    lanes.Complete(lane);
                    lane = null;
                }
            }
            catch
            {
                lanes.Abort(lane);
                await stop.CancelAsync().ConfigureAwait(false);
                throw;
            }
        }

        // An update can be refused until it is open; once it is partly in the sum, a fault is everybody's.
        async ValueTask<IUpdateReader?> OpenAsync(int index)
        {
            try
            {
                return await updates[index].OpenAsync(stop.Token).ConfigureAwait(false);
            }
            catch (UpdateRefusedException reason)
            {
                lock (refused) refused.Add((index, reason));
                return null;
            }
        }

        await resources.RunAsync(Math.Clamp(resources.Threads, 1, Math.Max(1, lanes.Count)), FoldAsync).ConfigureAwait(false);

        refused.Sort((a, b) => a.Index.CompareTo(b.Index));
        return new AggregationResult(lanes.Sum(), refused);
    }
}
