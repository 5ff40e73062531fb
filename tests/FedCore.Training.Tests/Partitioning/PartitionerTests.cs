using FedCore.Training.Data;
using FedCore.Training.Partitioning;
using FedCore.Training.Tests.Data;

namespace FedCore.Training.Tests.Partitioning;

public class PartitionerTests
{
    private static readonly Dictionary<string, IPartitioner> Partitioners = new()
    {
        ["iid"] = new IidPartitioner { Clients = 7 },
        ["quantity"] = new QuantityPartitioner { Clients = 7, Sigma = 2 },
        ["shards"] = new ShardPartitioner { Clients = 7, ShardsPerClient = 3 },
        ["dirichlet"] = new DirichletPartitioner { Clients = 7, Alpha = 0.3 },
    };

    public static TheoryData<string> Names => [.. Partitioners.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void Every_row_is_dealt_out_exactly_once(string name)
    {
        Partition partition = Partitioners[name].Split(Pools.Of(1003), Draw.Stream("partition"));
        Assert.Equal(7, partition.ClientCount);
        Assert.Equal(Enumerable.Range(0, 1003), Pools.AllRows(partition).Order());
        Assert.All(Pools.Sizes(partition), size => Assert.True(size > 0));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void The_same_stream_gives_the_same_partition_and_another_one_another(string name)
    {
        int[] Rows(long stream) => Pools.AllRows(Partitioners[name].Split(Pools.Of(500), Draw.Stream("partition", stream)));
        Assert.Equal(Rows(1), Rows(1));
        Assert.NotEqual(Rows(1), Rows(2));
    }

    [Fact]
    public void Iid_sizes_differ_by_at_most_one()
    {
        int[] sizes = Pools.Sizes(Partitioners["iid"].Split(Pools.Of(1003), Draw.Stream("partition")));
        Assert.Equal([144, 144, 143, 143, 143, 143, 143], sizes.OrderDescending());
    }

    // In 1000 of 10,000 rows a label has the hypergeometric mean 100 and a deviation of 9.
    [Fact]
    public void Iid_clients_have_all_labels_in_like_numbers()
    {
        DataPool pool = Pools.Of(10_000);
        Partition partition = new IidPartitioner { Clients = 10 }.Split(pool, Draw.Stream("partition"));
        for (int client = 0; client < 10; client++)
        {
            foreach (IGrouping<float, int> label in partition.RowsOf(client).ToArray().GroupBy(row => pool.Train.Label(row)[0]))
                Assert.InRange(label.Count(), 55, 145);
        }
    }

    // 200 shards of 10 labels with 100 rows each: no shard crosses a label.
    [Theory]
    [InlineData(1000)]
    [InlineData(6000)]
    public void Clients_of_whole_shards_have_at_most_as_many_labels_as_shards(int examples)
    {
        DataPool pool = Pools.Of(examples);
        Partition partition = new ShardPartitioner { Clients = 100, ShardsPerClient = 2 }.Split(pool, Draw.Stream("partition"));
        int[] labels = Pools.LabelCounts(partition, pool);
        Assert.All(labels, count => Assert.InRange(count, 1, 2));
        Assert.Contains(2, labels);
        Assert.All(Pools.Sizes(partition), size => Assert.Equal(examples / 100, size));
    }

    // 3 labels in 14 shards: a shard that crosses into the next label has two.
    [Fact]
    public void Shards_across_labels_add_one_label_each()
    {
        DataPool pool = Pools.Of(1000, classes: 3);
        Partition partition = new ShardPartitioner { Clients = 14, ShardsPerClient = 1 }.Split(pool, Draw.Stream("partition"));
        Assert.All(Pools.LabelCounts(partition, pool), count => Assert.InRange(count, 1, 2));
        Assert.Equal(2, Pools.LabelCounts(partition, pool).Count(count => count == 2));
    }

    // Hsu et al. 2019, figure 1: alpha 0.1 leaves clients one or two of ten classes, alpha 100 all in nearly equal parts.
    [Fact]
    public void A_small_alpha_is_skewed_and_a_large_one_even()
    {
        double[] share = [.. new[] { 0.05, 0.5, 1000.0 }.Select(LargestShare)];
        Assert.InRange(share[0], 0.5, 1);
        Assert.InRange(share[1], share[2] + 0.05, share[0] - 0.05);
        Assert.InRange(share[2], 0.1, 0.13);

        // The share of a client's most frequent label, on average.
        static double LargestShare(double alpha)
        {
            DataPool pool = Pools.Of(20_000);
            Partition partition = new DirichletPartitioner { Clients = 20, Alpha = alpha }.Split(pool, Draw.Stream("partition"));
            return Enumerable.Range(0, 20).Average(client =>
            {
                int[] rows = partition.RowsOf(client).ToArray();
                return rows.GroupBy(row => pool.Train.Label(row)[0]).Max(group => group.Count()) / (double)rows.Length;
            });
        }
    }

    [Fact]
    public void Dirichlet_clients_have_at_least_the_minimum()
    {
        var partitioner = new DirichletPartitioner { Clients = 10, Alpha = 0.5, MinimumExamples = 20 };
        Assert.All(Pools.Sizes(partitioner.Split(Pools.Of(1000), Draw.Stream("partition"))), size => Assert.True(size >= 20));
    }

    // The sample deviation of 2000 normal numbers is off by sigma / sqrt(4000) = 1.6 % (one deviation); sizes are rounded, so they must be large.
    [Theory]
    [InlineData(0.3)]
    [InlineData(1)]
    public void The_logarithms_of_quantity_sizes_have_the_deviation_sigma(double sigma)
    {
        int[] sizes = Pools.Sizes(new QuantityPartitioner { Clients = 2000, Sigma = sigma }.Split(Pools.Of(1_000_000), Draw.Stream("partition")));
        double mean = sizes.Average(size => Math.Log(size));
        double deviation = Math.Sqrt(sizes.Sum(size => Math.Pow(Math.Log(size) - mean, 2)) / (sizes.Length - 1));
        Assert.Equal(sigma, deviation, 5 * 0.016 * sigma);
    }

    [Fact]
    public void Quantity_without_a_deviation_is_even() =>
        Assert.All(Pools.Sizes(new QuantityPartitioner { Clients = 8, Sigma = 0 }.Split(Pools.Of(80), Draw.Stream("partition"))), size => Assert.Equal(10, size));

    [Fact]
    public void Natural_clients_keep_their_names_and_rows()
    {
        DataPool pool = Pools.Of(5) with { Groups = [new ExampleGroup("north", [0, 3]), new ExampleGroup("south", [4, 1, 2])] };
        Partition partition = new NaturalPartitioner().Split(pool, Draw.Stream("partition"));
        Assert.Equal(["north", "south"], partition.Names!);
        Assert.Equal([0, 3], partition.RowsOf(0).ToArray());
        Assert.Equal([4, 1, 2], partition.RowsOf(1).ToArray());
    }

    [Fact]
    public void Partitions_that_leave_a_client_empty_are_refused_with_a_remedy()
    {
        AssertRefused(new IidPartitioner { Clients = 6 }, "6 clients", "5 training examples", "at most 5");
        AssertRefused(new QuantityPartitioner { Clients = 6 }, "6 clients", "5 training examples", "at most 5");
        AssertRefused(new DirichletPartitioner { Clients = 6 }, "6 clients", "5 training examples", "at most 5");
        AssertRefused(new DirichletPartitioner { Clients = 5 }, "5 clients", "minimumExamples of 2", "10 examples", "there are 5");
        AssertRefused(new DirichletPartitioner { Clients = 1_000_000, MinimumExamples = 1_000_000 }, "at most 5");
        AssertRefused(new ShardPartitioner { Clients = 3, ShardsPerClient = 2 }, "3 clients", "2 shards", "6 examples", "there are 5");
        AssertRefused(new ShardPartitioner { Clients = 100_000_000, ShardsPerClient = 1000 }, "100000000000 examples", "there are 5");
        AssertRefused(new NaturalPartitioner(), "no natural clients", "iid");

        static void AssertRefused(IPartitioner partitioner, params string[] names) =>
            Faults.Assert(Assert.Throws<FedCoreException>(() => partitioner.Split(Pools.Of(5), Draw.Stream("partition"))), "data.partition", names);
    }

    // With so small an alpha one client gets nearly always the whole of the only class.
    [Fact]
    public void A_partition_that_is_possible_but_never_drawn_is_refused_with_the_number_of_draws() => Faults.Assert(
        Assert.Throws<FedCoreException>(() => new DirichletPartitioner { Clients = 2, Alpha = 1e-9 }.Split(Pools.Of(5, classes: 1), Draw.Stream("partition"))),
        "data.partition", "1000 draws", "alpha 1E-09", "2 clients", "fewer than 2", "minimumExamples");

    [Fact]
    public void A_partition_with_an_empty_client_is_refused_by_the_clients_name() =>
        Faults.Assert(Assert.Throws<FedCoreException>(() => new Partition([[0], []], ["north", "south"])), "data.partition", "south", "without examples");

    [Fact]
    public void As_many_clients_as_examples_get_one_each()
    {
        foreach (IPartitioner partitioner in (IPartitioner[])[new IidPartitioner { Clients = 5 }, new QuantityPartitioner { Clients = 5, Sigma = 5 }])
            Assert.All(Pools.Sizes(partitioner.Split(Pools.Of(5), Draw.Stream("partition"))), size => Assert.Equal(1, size));
    }
}
