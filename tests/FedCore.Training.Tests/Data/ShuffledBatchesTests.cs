using FedCore.Numerics;
using FedCore.Training.Data;

namespace FedCore.Training.Tests.Data;

public class ShuffledBatchesTests
{
    [Theory]
    [InlineData(10, 3, 4)]
    [InlineData(10, 5, 2)]
    [InlineData(10, 0, 1)]
    [InlineData(3, 7, 1)]
    public void A_pass_goes_over_every_example_once(int count, int batchSize, int batches)
    {
        ShuffledBatches order = New(count, batchSize);
        for (int pass = 0; pass < 3; pass++)
        {
            var seen = new List<int>();
            for (int i = 0; i < batches; i++) seen.AddRange(order.Next());
            Assert.Equal(Enumerable.Range(0, count), seen.Order());
        }
    }

    [Fact]
    public void The_last_batch_of_a_pass_is_smaller_and_the_next_pass_has_another_order()
    {
        ShuffledBatches order = New(10, 4);
        int[][] passes = [.. Enumerable.Range(0, 2).Select(_ => Enumerable.Range(0, 3).SelectMany(batch =>
        {
            int[] rows = order.Next().ToArray();
            Assert.Equal(batch == 2 ? 2 : 4, rows.Length);
            return rows;
        }).ToArray())];
        Assert.NotEqual(passes[0], passes[1]);
    }

    [Fact]
    public void Peek_tells_the_next_batch_of_the_same_pass_and_nothing_of_the_next_pass()
    {
        ShuffledBatches order = New(10, 4);
        Assert.Empty(order.Peek().ToArray());
        for (int pass = 0; pass < 3; pass++)
        {
            for (int batch = 0; batch < 3; batch++)
            {
                int[] peeked = order.Peek().ToArray();
                int[] next = order.Next().ToArray();
                Assert.Equal(batch == 0 ? [] : next, peeked);
            }
        }
    }

    private static ShuffledBatches New(int count, int batchSize)
    {
        var order = new ShuffledBatches();
        order.Reset(count, batchSize, new RandomKeys([], 7).Stream("batches"));
        return order;
    }
}
