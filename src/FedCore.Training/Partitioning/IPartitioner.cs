using FedCore.Numerics;
using FedCore.Training.Data;

namespace FedCore.Training.Partitioning;

/// <summary>How a pool of examples is dealt out to clients. Registered by name; public properties are its parameters.</summary>
public interface IPartitioner
{
    /// <summary>How many clients there are; null where the data say.</summary>
    long? ClientCount => null;

    /// <summary>Deals the training set out.</summary>
    /// <param name="pool">The examples.</param>
    /// <param name="random">Where random choices come from.</param>
    /// <returns>Which client has which rows; every client at least one.</returns>
    /// <exception cref="FedCoreException">A client would be empty, or the pool has not what the partition needs (<c>data.partition</c>).</exception>
    Partition Split(DataPool pool, RandomStream random);
}

/// <summary>What the partitioners share.</summary>
internal static class Rows
{
    /// <summary>All rows of a set in random order.</summary>
    public static int[] Shuffled(ExampleSet set, RandomStream random)
    {
        int[] rows = [.. Enumerable.Range(0, set.Count)];
        random.Shuffle<int>(rows);
        return rows;
    }

    /// <summary>Cuts rows into consecutive parts of given sizes.</summary>
    public static Partition Cut(int[] rows, int[] sizes)
    {
        var clients = new ArraySegment<int>[sizes.Length];
        for (int client = 0, begin = 0; client < sizes.Length; begin += sizes[client++]) clients[client] = new ArraySegment<int>(rows, begin, sizes[client]);
        return new Partition([.. clients.Select(rows => (IReadOnlyList<int>)rows)]);
    }

    /// <summary>Refuses more clients than examples.</summary>
    public static void RequireExamples(int clients, ExampleSet set)
    {
        if (clients > set.Count)
        {
            throw FedCoreException.Configuration(
                "data.partition", $"simulation.partition has {clients} clients, but there are {set.Count} training examples: a client would be empty. Use at most {set.Count} clients.");
        }
    }

    /// <summary>Whole numbers in proportion to shares, each at least 1, that add up to a total (largest remainders).</summary>
    public static int[] Apportion(double[] shares, int total)
    {
        double sum = shares.Sum();
        int[] sizes = new int[shares.Length];
        double[] exact = [.. shares.Select(share => share / sum * (total - shares.Length))];
        for (int i = 0; i < sizes.Length; i++) sizes[i] = 1 + (int)exact[i];
        int left = total - sizes.Sum();
        foreach (int i in Enumerable.Range(0, shares.Length).OrderByDescending(i => exact[i] - Math.Floor(exact[i])).ThenBy(i => i).Take(left)) sizes[i]++;
        return sizes;
    }
}
