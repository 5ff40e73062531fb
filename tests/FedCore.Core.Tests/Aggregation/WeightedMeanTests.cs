using System.Runtime.InteropServices;
using FedCore.Aggregation;
using FedCore.Numerics;
using FedCore.Tests;
using FedCore.Updates;

namespace FedCore.Core.Tests.Aggregation;

public class WeightedMeanTests
{
    private const int Length = 3001;

    // Below, at and above the 64 lanes, and many.
    private static readonly int[] Sizes = [1, 2, 3, 63, 64, 65, 130, 1000];

    public static TheoryData<int> Counts => [.. Sizes];

    public static MatrixTheoryData<int, int> CountsAndThreads => new(Sizes, [2, 3, 8]);

    // Whole numbers below 2^24 add up without rounding, whatever the order.
    [Theory]
    [MemberData(nameof(Counts))]
    public async Task The_sum_equals_the_naive_sum(int count)
    {
        FakeUpdate[] updates = FakeUpdate.Many(count, Length, whole: true);
        (float[] sum, double weight, int contributors) = await SumAsync(updates, 2);
        Assert.Equal([.. Enumerable.Range(0, Length).Select(i => (float)updates.Sum(update => (double)update.Values[i]))], sum);
        Assert.Equal((count * (count + 1) / 2.0, count), (weight, contributors));
    }

    [Theory]
    [MemberData(nameof(CountsAndThreads))]
    public async Task The_bits_do_not_depend_on_the_number_of_threads(int count, int threads) => Assert.Equal(
        (await SumAsync(FakeUpdate.Many(count, Length), 1)).Sum, (await SumAsync(FakeUpdate.Many(count, Length), threads)).Sum);

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public async Task The_bits_do_not_depend_on_where_vectors_lie(int threads)
    {
        using var folder = new TemporaryFolder();
        using FlatVectorPool memory = new(), files = new(new VectorStorage(folder.Path, 0));
        UpdateSum expected = (await AggregateAsync(FakeUpdate.Many(70, Length), threads, memory)).Sum, sum = (await AggregateAsync(FakeUpdate.Many(70, Length), threads, files)).Sum;
        Assert.Equal((false, true), (expected.Vector.IsMapped, sum.Vector.IsMapped));
        Assert.True(MemoryMarshal.AsBytes(expected.Vector.AsSpan()).SequenceEqual(MemoryMarshal.AsBytes(sum.Vector.AsSpan())));
        sum.Vector.Dispose();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task The_bits_do_not_depend_on_when_updates_arrive(int seed)
    {
        RandomStream random = Statistics.Stream("delays", seed);
        int[] yields = [.. Enumerable.Range(0, 130).Select(_ => random.NextInt32(4) == 0 ? random.NextInt32(200) : 0)];
        async Task LateAsync(int index)
        {
            for (int i = 0; i < yields[index]; i++) await Task.Yield();
        }

        Assert.Equal((await SumAsync(FakeUpdate.Many(130, Length), 1)).Sum, (await SumAsync(FakeUpdate.Many(130, Length, i => _ => LateAsync(i)), 4)).Sum);
    }

    // With two threads and no memory to spare five lanes may be ahead of the total: the first update comes when the fifth is asked for.
    [Fact]
    public async Task The_bits_do_not_depend_on_whether_the_first_update_comes_last()
    {
        var fifth = new TaskCompletionSource();
        Func<CancellationToken, Task>? Gate(int index) => index switch
        {
            0 => _ => fifth.Task,
            4 => _ =>
            {
                fifth.SetResult();
                return Task.CompletedTask;
            }
            ,
            _ => null,
        };
        Assert.Equal((await SumAsync(FakeUpdate.Many(20, Length), 1)).Sum, (await SumAsync(FakeUpdate.Many(20, Length, Gate), 2)).Sum);
    }

    [Fact]
    public async Task Numbers_are_summed_in_one_order_too()
    {
        double one = await LossAsync(1), many = await LossAsync(8);
        Assert.Equal(BitConverter.DoubleToInt64Bits(one), BitConverter.DoubleToInt64Bits(many));

        async Task<double> LossAsync(int threads)
        {
            using var pool = new FlatVectorPool();
            using var resources = new AggregationResources(threads, pool);
            AggregationResult result = await new WeightedMean().AggregateAsync(
                FakeUpdate.Layout(10), FakeUpdate.Many(1000, 10), resources, TestContext.Current.CancellationToken);
            return result.Sum.Scalar("loss");
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public async Task Refused_updates_are_left_out_and_reported_in_order(int threads)
    {
        int[] refused = [0, 1, 17, 40, 99];
        FakeUpdate[] all = FakeUpdate.Many(100, Length, i => refused.Contains(i) ? _ => throw Refusal(i) : null, whole: true);
        using var pool = new FlatVectorPool();
        AggregationResult result = await AggregateAsync(all, threads, pool);
        Assert.Equal(refused.Select(i => (i, $"{i}")), result.Refused.Select(r => (r.Index, r.Reason.Message)));
        Assert.Equal(95, result.Sum.Contributors);
        FakeUpdate[] rest = [.. all.Where((_, i) => !refused.Contains(i))];
        Assert.Equal([.. Enumerable.Range(0, Length).Select(i => (float)rest.Sum(update => (double)update.Values[i]))], result.Sum.Vector.AsSpan().ToArray());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(70)]
    public async Task Where_all_updates_are_refused_the_sum_is_zero(int count)
    {
        using var pool = new FlatVectorPool();
        FlatVector used = pool.Rent(Length);
        used.AsSpan().Fill(7);
        pool.Return(used);
        AggregationResult result = await AggregateAsync(FakeUpdate.Many(count, Length, i => _ => throw Refusal(i)), 2, pool);
        Assert.Equal(new float[Length], result.Sum.Vector.AsSpan().ToArray());
        Assert.Equal((count, 0, 0), (result.Refused.Count, result.Sum.Contributors, result.Sum.Weight));
    }

    [Fact]
    public async Task The_sum_of_no_updates_is_zero()
    {
        using var pool = new FlatVectorPool();
        AggregationResult result = await AggregateAsync([], 2, pool);
        Assert.Equal(new float[Length], result.Sum.Vector.AsSpan().ToArray());
    }

    [Fact]
    public async Task One_update_is_its_own_sum_to_the_bit()
    {
        float[] values = [-0f, float.Epsilon, float.MaxValue, 1f / 3];
        using var pool = new FlatVectorPool();
        using var resources = new AggregationResources(4, pool);
        AggregationResult result = await new WeightedMean().AggregateAsync(
            FakeUpdate.Layout(4), [new FakeUpdate(values, [1, 0])], resources, TestContext.Current.CancellationToken);
        Assert.True(MemoryMarshal.AsBytes<float>(values).SequenceEqual(MemoryMarshal.AsBytes(result.Sum.Vector.AsSpan())));
    }

    [Fact]
    public async Task A_gateways_update_counts_for_all_its_clients()
    {
        using var pool = new FlatVectorPool();
        FakeUpdate[] updates = [new([1], [1, 0], contributors: 40), new([2], [1, 0], contributors: 2)];
        using var resources = new AggregationResources(1, pool);
        AggregationResult result = await new WeightedMean().AggregateAsync(
            FakeUpdate.Layout(1), updates, resources, TestContext.Current.CancellationToken);
        Assert.Equal(42, result.Sum.Contributors);
    }

    [Fact]
    public async Task A_layout_without_vectors_sums_its_numbers()
    {
        using var pool = new FlatVectorPool();
        var layout = new UpdateLayout(new Section("examples", SectionRole.Metric, 1));
        FakeUpdate[] updates = [.. Enumerable.Range(1, 100).Select(i => new FakeUpdate([], [i]))];
        using var resources = new AggregationResources(3, pool);
        AggregationResult result = await new WeightedMean().AggregateAsync(
            layout, updates, resources, TestContext.Current.CancellationToken);
        Assert.Equal(5050, result.Sum.Scalar("examples"));
    }

    private static UpdateRefusedException Refusal(int index) => new("test.refused", $"{index}");

    private static async Task<(float[] Sum, double Weight, int Contributors)> SumAsync(FakeUpdate[] updates, int threads)
    {
        using var pool = new FlatVectorPool();
        UpdateSum sum = (await AggregateAsync(updates, threads, pool)).Sum;
        return (sum.Vector.AsSpan().ToArray(), sum.Weight, sum.Contributors);
    }

    private static async Task<AggregationResult> AggregateAsync(FakeUpdate[] updates, int threads, FlatVectorPool pool)
    {
        using var resources = new AggregationResources(threads, pool) { PartialSumBytes = 0 };
        return await new WeightedMean().AggregateAsync(FakeUpdate.Layout(Length), updates, resources, TestContext.Current.CancellationToken);
    }
}
