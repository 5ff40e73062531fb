using FedCore.Numerics;
using FedCore.Rounds;
using FedCore.Training.Privacy;

namespace FedCore.Training.Data;

/// <summary>
/// Which of its examples a client trains on, and which it holds back. That follows from the seed, the client's name and its rows in their order, and from nobody
/// else's: a site that sees its own file alone splits it like its simulated twin.
/// </summary>
public static class ClientSplit
{
    /// <summary>The share of its examples that a client holds back where nothing else is said.</summary>
    public const double DefaultTestFraction = 0.2;

    /// <summary>The root of the random streams by which examples are dealt out and split.</summary>
    /// <param name="seed">The run's seed.</param>
    /// <returns>The root, which does not depend on the rest of the run, so that two strategies meet the same data.</returns>
    public static RandomKeys KeysOf(long seed) => new("partition"u8, seed);

    /// <summary>The root of the random streams by which a client's examples are split.</summary>
    /// <param name="plan">The run.</param>
    /// <returns>
    /// That of the run's seed; under differential privacy always the same, since what is held back may be evaluated without noise, and with one seed after the other everything would be held back once.
    /// </returns>
    public static RandomKeys SplitKeysOf(RunPlan plan) => KeysOf((plan ?? throw new ArgumentNullException(nameof(plan))).Privacy is null ? plan.Definition.Seed : 0);

    /// <summary>Brings a client's rows into the order in which they are cut: what it holds back must be a random choice.</summary>
    internal static void Shuffle(Span<int> rows, string client, RandomKeys keys)
    {
        if (rows.Length > 1) keys.Stream("client rows", site: client).Shuffle(rows);
    }

    /// <summary>How many of a client's rows are for training; the others are held back.</summary>
    internal static int TrainCount(int rows, DataPool pool, double testFraction) =>
        pool.Test is null ? Math.Clamp((int)Math.Round(rows * (1 - testFraction)), 1, rows) : rows;

    /// <summary>Cuts a client's shuffled rows.</summary>
    /// <param name="pool">The examples.</param>
    /// <param name="rows">The client's rows, at least one.</param>
    /// <param name="test">Its part of the pool's own test set; unused where there is none.</param>
    /// <param name="testFraction">The share that it holds back where the pool has no test set.</param>
    internal static ClientData Cut(DataPool pool, ReadOnlyMemory<int> rows, ReadOnlyMemory<int> test, double testFraction)
    {
        int train = TrainCount(rows.Length, pool, testFraction);
        return new ClientData(
            new ExampleView(pool.Train, rows[..train]),
            pool.Test is null ? new ExampleView(pool.Train, rows[train..]) : new ExampleView(pool.Test, test));
    }

    /// <summary>What a client trains and evaluates on: its examples, prepared by their own means where the pool says so.</summary>
    internal static ClientData Prepare(DataPool pool, ClientData data, string client) => pool.Preparation?.Prepare(data, client) ?? data;

    /// <summary>
    /// The examples that a run's model can take: what does not fit is refused. Where the run promises privacy it is not, since whoever writes runs could ask so what records a site has: it counts as
    /// none where single examples are hidden, and is left out where whole clients are.
    /// </summary>
    /// <param name="plan">The run.</param>
    /// <param name="pool">The examples.</param>
    /// <returns>The examples.</returns>
    /// <exception cref="FedCoreException">The model cannot take them (<c>data.shape</c>, <c>data.label</c>, <c>data.token</c>).</exception>
    public static DataPool Fitted(RunPlan plan, DataPool pool)
    {
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(pool);
        const string train = "The training examples", test = "The test examples";
        if (plan.Privacy is not null && pool.Train is not FitExamples)
        {
            // What is missing may be filled in still.
            bool areFinite = pool.Preparation is null;
            var fitting = new FitExamples(pool.Train, plan.Model, train, areFinite);
            FitExamples? held = pool.Test is null ? null : new FitExamples(pool.Test, plan.Model, test, areFinite);
            if (held?.UnfitCount > 0) pool = pool with { Test = plan.Privacy.IsAtSites ? held : new SomeExamples(held, FittingRows(held)) };
            if (plan.Privacy.IsAtSites) pool = pool with { Train = fitting, UnfitCount = fitting.UnfitCount };
            else if (fitting.UnfitCount == pool.Train.Count) pool = pool with { Train = fitting, UnfitCount = Math.Max(pool.UnfitCount, fitting.UnfitCount) };
            else if (fitting.UnfitCount > 0) pool = Without(pool, fitting);
        }

        pool.Train.RequireFit(plan.Model, train);
        pool.Test?.RequireFit(plan.Model, test);
        return pool;
    }

    private static DataPool Without(DataPool pool, FitExamples fitting)
    {
        int[] rows = FittingRows(fitting), places = new int[fitting.Count];
        for (int place = 0; place < rows.Length; place++) places[rows[place]] = place;
        return pool with
        {
            Train = new SomeExamples(pool.Train, rows),
            Groups = pool.Groups is null ? null : [.. pool.Groups.Select(group => new ExampleGroup(group.Name, [.. group.Rows.Where(fitting.Fits).Select(row => places[row])])).Where(group => group.Rows.Length > 0)],
            UnfitCount = pool.UnfitCount + fitting.UnfitCount,
        };
    }

    private static int[] FittingRows(FitExamples examples) => [.. Enumerable.Range(0, examples.Count).Where(examples.Fits)];

    /// <summary>Refuses numbers that are not finite, where no preparation is still to fill them in.</summary>
    internal static void RequireFinite(DataPool pool)
    {
        if (pool.Preparation is not null) return;
        (pool.Train as InMemoryExamples)?.RequireFinite();
        (pool.Test as InMemoryExamples)?.RequireFinite();
    }
}
