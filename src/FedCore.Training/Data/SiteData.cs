using FedCore.Numerics;
using FedCore.Rounds;

namespace FedCore.Training.Data;

/// <summary>The examples of a real site: bit for bit those that the client of its name has in a simulation with the data's natural clients.</summary>
public static class SiteData
{
    /// <summary>Splits and prepares what a site's source has read. All rows are the site's, whatever natural clients the pool names.</summary>
    /// <param name="plan">The run, whose model must be able to take the examples, and whose seed decides what is held back.</param>
    /// <param name="pool">The examples; a test set of the pool's own is kept as it is.</param>
    /// <param name="site">The site's name.</param>
    /// <param name="testFraction">The share that the site holds back where the pool has no test set.</param>
    /// <returns>The examples.</returns>
    /// <exception cref="FedCoreException">There are none (<c>data.source</c>), the model cannot take them (<c>data.shape</c>, <c>data.label</c>, <c>data.token</c>), or
    /// a number is not finite (<c>data.not-finite</c>).</exception>
    public static ClientData Of(RunPlan plan, DataPool pool, string site, double testFraction = ClientSplit.DefaultTestFraction)
    {
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(pool);
        ArgumentException.ThrowIfNullOrEmpty(site);
        ArgumentOutOfRangeException.ThrowIfNegative(testFraction);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(testFraction, 1);
        if (pool.Train.Count == 0)
            throw FedCoreException.Configuration("data.source", $"The data of site '{Shown.Of(site)}' has no training examples. Correct what the site's data source reads.");
        pool = ClientSplit.Fitted(plan, pool);
        ClientSplit.RequireFinite(pool);

        RandomKeys keys = ClientSplit.SplitKeysOf(plan);
        int[] rows = AllRows(pool.Train);
        ClientSplit.Shuffle(rows, site, keys);
        return ClientSplit.Prepare(pool, ClientSplit.Cut(pool, rows, pool.Test is { } test ? AllRows(test) : [], testFraction), site) with { UnfitCount = pool.UnfitCount };
    }

    private static int[] AllRows(ExampleSet set) => [.. Enumerable.Range(0, set.Count)];
}
