using FedCore.Numerics;
using FedCore.Training.Data;
using FedCore.Training.Partitioning;
using FedCore.Training.Tests.Partitioning;

namespace FedCore.Training.Tests.Data;

public class PartitionedDataTests
{
    private static readonly RandomKeys Keys = new([], 1);

    [Fact]
    public void Without_a_test_set_each_client_holds_back_its_share()
    {
        PartitionedData data = Deal(Pools.Of(1000), clients: 8, testFraction: 0.2);
        var rows = new List<int>();
        for (int client = 0; client < 8; client++)
        {
            ClientData examples = data.Get(client);
            Assert.Equal(100, examples.Train.Count);
            Assert.Equal(25, examples.Test.Count);
            Assert.Equal(data.TrainCountOf(client), examples.Train.Count);
            rows.AddRange([.. examples.Train.Rows.ToArray(), .. examples.Test.Rows.ToArray()]);
        }

        Assert.Equal(Enumerable.Range(0, 1000), rows.Order());
    }

    [Fact]
    public void A_test_set_is_dealt_out_in_equal_parts()
    {
        PartitionedData data = Deal(Pools.Of(80, tests: 42), clients: 8, testFraction: 0.2);
        Assert.All(Enumerable.Range(0, 8), client => Assert.Equal(10, data.Get(client).Train.Count));
        Assert.All(Enumerable.Range(0, 8), client => Assert.InRange(data.Get(client).Test.Count, 5, 6));
        Assert.Equal(Enumerable.Range(0, 42), Enumerable.Range(0, 8).SelectMany(client => data.Get(client).Test.Rows.ToArray()).Order());
    }

    [Fact]
    public void A_client_keeps_at_least_one_example_for_training() =>
        Assert.All(Enumerable.Range(0, 5), client => Assert.Equal(1, Deal(Pools.Of(5), clients: 5, testFraction: 0.9).Get(client).Train.Count));

    [Fact]
    public void What_a_client_cannot_prepare_is_found_before_the_first_round() =>
        Assert.Throws<FedCoreException>(() => Deal(Pools.Of(10) with { Preparation = new Refusing() }, clients: 2, testFraction: 0));

    [Fact]
    public void A_client_is_prepared_once()
    {
        PartitionedData data = Deal(Pools.Of(10) with { Preparation = new Copying() }, clients: 2, testFraction: 0.5);
        Assert.Same(data.Get(1), data.Get(1));
        Assert.NotSame(data.Get(0), data.Get(1));
    }

    private static PartitionedData Deal(DataPool pool, int clients, double testFraction) =>
        new(pool, new IidPartitioner { Clients = clients }.Split(pool, Draw.Stream("partition")), testFraction, Keys);

    private sealed class Refusing : IClientPreparation
    {
        public ClientData Prepare(ClientData data, string client) => throw FedCoreException.Configuration("data.csv", client);
    }

    private sealed class Copying : IClientPreparation
    {
        public ClientData Prepare(ClientData data, string client) => data with { };
    }
}
