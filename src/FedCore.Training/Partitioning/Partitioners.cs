using System.ComponentModel.DataAnnotations;
using FedCore.Numerics;
using FedCore.Training.Data;

namespace FedCore.Training.Partitioning;

/// <summary>Every client gets a random choice of equal size: independent and identically distributed.</summary>
public sealed class IidPartitioner : IPartitioner
{
    /// <summary>Number of clients.</summary>
    [Range(1, 100_000_000)]
    public int Clients { get; init; } = 10;

    long? IPartitioner.ClientCount => Clients;

    /// <inheritdoc/>
    public Partition Split(DataPool pool, RandomStream random)
    {
        ArgumentNullException.ThrowIfNull(pool);
        Rows.RequireExamples(Clients, pool.Train);
        return Rows.Cut(Rows.Shuffled(pool.Train, random), Rows.Apportion([.. Enumerable.Repeat(1.0, Clients)], pool.Train.Count));
    }
}

/// <summary>Quantity skew: sizes are log-normal, labels are not skewed.</summary>
public sealed class QuantityPartitioner : IPartitioner
{
    /// <summary>Number of clients.</summary>
    [Range(1, 100_000_000)]
    public int Clients { get; init; } = 10;

    long? IPartitioner.ClientCount => Clients;

    /// <summary>Standard deviation of the logarithm of the sizes; 0 for equal sizes.</summary>
    [Range(0, 10)]
    public double Sigma { get; init; } = 1;

    /// <inheritdoc/>
    public Partition Split(DataPool pool, RandomStream random)
    {
        ArgumentNullException.ThrowIfNull(pool);
        ArgumentNullException.ThrowIfNull(random);
        Rows.RequireExamples(Clients, pool.Train);
        double[] shares = new double[Clients];
        for (int i = 0; i < Clients; i++) shares[i] = Math.Exp(Sigma * random.NextNormal());
        return Rows.Cut(Rows.Shuffled(pool.Train, random), Rows.Apportion(shares, pool.Train.Count));
    }
}

/// <summary>The pathological split of McMahan et al. 2017: examples sorted by label are cut into shards, and each client gets a few at random.</summary>
public sealed class ShardPartitioner : IPartitioner
{
    /// <summary>Number of clients.</summary>
    [Range(1, 100_000_000)]
    public int Clients { get; init; } = 100;

    long? IPartitioner.ClientCount => Clients;

    /// <summary>Shards of each client; the paper's 2 give most clients two labels.</summary>
    [Range(1, 1000)]
    public int ShardsPerClient { get; init; } = 2;

    /// <inheritdoc/>
    public Partition Split(DataPool pool, RandomStream random)
    {
        ArgumentNullException.ThrowIfNull(pool);
        ArgumentNullException.ThrowIfNull(random);
        int count = pool.Train.Count;
        long wanted = (long)Clients * ShardsPerClient;
        if (wanted > count)
        {
            throw FedCoreException.Configuration(
                "data.partition", $"simulation.partition: {Clients} clients with {ShardsPerClient} shards each need {wanted} examples, but there are {count}. Use fewer clients or shards.");
        }

        int shards = (int)wanted;
        int[] rows = [.. Rows.Shuffled(pool.Train, random).OrderBy(row => pool.Train.Label(row)[0])];
        int[] order = [.. Enumerable.Range(0, shards)];
        random.Shuffle<int>(order);
        var clients = new List<int>[Clients];
        for (int client = 0; client < Clients; client++)
        {
            clients[client] = [];
            foreach (int shard in order.AsSpan(client * ShardsPerClient, ShardsPerClient))
            {
                int begin = (int)((long)shard * count / shards), end = (int)((long)(shard + 1) * count / shards);
                clients[client].AddRange(rows.AsSpan(begin, end - begin));
            }
        }

        return new Partition(clients);
    }
}

/// <summary>
/// Label skew (Hsu et al. 2019): the examples of each class are dealt out in proportions drawn from a symmetric Dirichlet distribution. A small alpha
/// gives clients few classes, a large one all of them.
/// </summary>
public sealed class DirichletPartitioner : IPartitioner
{
    private const int MaxDraws = 1000;

    /// <summary>Number of clients.</summary>
    [Range(1, 1_000_000)]
    public int Clients { get; init; } = 10;

    long? IPartitioner.ClientCount => Clients;

    /// <summary>Concentration, above 0; 0.1 is much skew, 100 hardly any.</summary>
    [Range(0, 1e6, MinimumIsExclusive = true)]
    public double Alpha { get; init; } = 0.5;

    /// <summary>The smallest number of examples that a client may have; draws that give less are repeated.</summary>
    [Range(1, 1_000_000)]
    public int MinimumExamples { get; init; } = 2;

    /// <inheritdoc/>
    public Partition Split(DataPool pool, RandomStream random)
    {
        ArgumentNullException.ThrowIfNull(pool);
        ArgumentNullException.ThrowIfNull(random);
        Rows.RequireExamples(Clients, pool.Train);
        long wanted = (long)Clients * MinimumExamples;
        if (wanted > pool.Train.Count)
        {
            throw FedCoreException.Configuration(
                "data.partition", $"simulation.partition: {Clients} clients with a minimumExamples of {MinimumExamples} need {wanted} examples, but there are {pool.Train.Count}. "
                + "Use fewer clients or a smaller minimumExamples.");
        }

        int[][] classes = [.. Rows.Shuffled(pool.Train, random).GroupBy(row => pool.Train.Label(row)[0]).OrderBy(group => group.Key).Select(group => group.ToArray())];
        for (int draw = 0; draw < MaxDraws; draw++)
        {
            var clients = new List<int>[Clients];
            for (int client = 0; client < Clients; client++) clients[client] = [];
            foreach (int[] rows in classes) Deal(rows, clients, random);
            if (clients.All(rows => rows.Count >= MinimumExamples)) return new Partition(clients);
        }

        throw FedCoreException.Configuration(
            "data.partition", $"simulation.partition: in {MaxDraws} draws with alpha {Alpha} there was always one of {Clients} clients with fewer than {MinimumExamples} examples. "
            + "Use a larger alpha, fewer clients, or a smaller minimumExamples.");
    }

    private void Deal(int[] rows, List<int>[] clients, RandomStream random)
    {
        double[] shares = new double[Clients];
        double sum = 0;
        for (int client = 0; client < Clients; client++) sum += shares[client] = random.NextGamma(Alpha);

        // With a tiny alpha all shares may underflow; then one client gets the whole class.
        if (sum == 0) sum = shares[random.NextInt32(Clients)] = 1;
        double reached = 0;
        for (int client = 0, begin = 0; client < Clients; client++)
        {
            reached += shares[client] / sum;
            int end = client == Clients - 1 ? rows.Length : Math.Min(rows.Length, (int)Math.Round(reached * rows.Length));
            for (; begin < end; begin++) clients[client].Add(rows[begin]);
        }
    }
}

/// <summary>The clients that the data brings along: one per file, or per value of a column.</summary>
public sealed class NaturalPartitioner : IPartitioner
{
    /// <inheritdoc/>
    public Partition Split(DataPool pool, RandomStream random)
    {
        ArgumentNullException.ThrowIfNull(pool);
        if (pool.Groups is not { Count: > 0 } groups)
        {
            throw FedCoreException.Configuration(
                "data.partition", "simulation.partition: this data has no natural clients. Use another partition, such as {\"type\": \"iid\", \"clients\": 10}.");
        }

        return new Partition([.. groups.Select(group => (IReadOnlyList<int>)group.Rows)], [.. groups.Select(group => group.Name)]);
    }
}
