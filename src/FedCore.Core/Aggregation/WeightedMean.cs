using FedCore.Updates;

namespace FedCore.Aggregation;

/// <summary>
/// The sum of updates that already carry their weights, from which a strategy forms the weighted mean (McMahan et al. 2017, algorithm 1). Updates are
/// folded one by one as they become readable, in cohort order in 16 lanes, so that nothing is kept per client and the sum has the same bits for any
/// number of threads.
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
        using var lanes = new FoldLanes(layout, resources.Pool);
        var refused = new List<(int Index, UpdateRefusedException Reason)>();
        int next = -1;

        async Task FoldAsync()
        {
            while (true)
            {
                int index = Interlocked.Increment(ref next);
                if (index >= updates.Count) return;
                try
                {
                    using IUpdateReader reader = await updates[index].OpenAsync(ct).ConfigureAwait(false);
                    await lanes.TurnAsync(index, ct).ConfigureAwait(false);
                    lanes.Fold(index, reader);
                }
                catch (UpdateRefusedException reason)
                {
                    lock (refused) refused.Add((index, reason));
                    await lanes.TurnAsync(index, ct).ConfigureAwait(false);
                    lanes.Skip(index);
                }
                catch
                {
                    lanes.Abort();
                    throw;
                }
            }
        }

        int workers = Math.Clamp(resources.Threads, 1, Math.Max(1, updates.Count));
        var others = new Task[workers - 1];
        for (int i = 0; i < others.Length; i++) others[i] = Task.Run(FoldAsync, ct);
        Task own = FoldAsync();
        await Task.WhenAll([own, .. others]).ConfigureAwait(false);

        refused.Sort((a, b) => a.Index.CompareTo(b.Index));
        return new AggregationResult(lanes.Combine(), refused);
    }
}
