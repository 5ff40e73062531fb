using FedCore.Aggregation;
using FedCore.Numerics;
using FedCore.Updates;

namespace FedCore.Core.Tests.Aggregation;

/// <summary>What a sum rents it gives back, however it ends; and it always ends.</summary>
public class WeightedMeanResourceTests
{
    private const int Length = 500;

    // Of some blocks, so that one update may follow another.
    private const int Long = 1 << 18;

    private static readonly TimeSpan Hang = TimeSpan.FromSeconds(30);

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(8)]
    public async Task Every_rented_vector_and_reader_comes_back(int threads)
    {
        using var pool = new WatchedPool();
        FakeUpdate[] updates = FakeUpdate.Many(1000, Length, i => i % 10 == 0 ? async _ => await Task.Yield() : i % 7 == 0 ? _ => throw Refusal() : null);
        pool.Vectors.Return((await RunAsync(updates, threads, pool)).Sum.Vector);
        Assert.True(pool.IsComplete());
        Assert.All(updates, update => Assert.Equal(0, update.Open));
    }

    // With two threads five lanes may be ahead of the total, and with memory for ten ten; of sums that are too large to wait only those in work. The first update comes when
    // the last of these lanes is begun. Beside a vector per lane there is the total.
    [Theory]
    [InlineData(0, long.MaxValue, 5)]
    [InlineData(10 * Length * sizeof(float), long.MaxValue, 10)]
    [InlineData(0, Length * sizeof(float), 2)]
    [InlineData(0, Length * sizeof(float) + 1, 5)]
    [InlineData(3 * Length * sizeof(float), Length * sizeof(float), 3)]
    public async Task No_more_vectors_are_rented_than_lanes_may_be_ahead(long bytes, long large, int lanes)
    {
        using var pool = new FlatVectorPool();
        using var resources = new AggregationResources(2, pool) { PartialSumBytes = bytes, LargeSumBytes = large };
        var last = new TaskCompletionSource();
        Task Begin()
        {
            last.SetResult();
            return Task.CompletedTask;
        }

        FakeUpdate[] updates = FakeUpdate.Many(64, Length, i => i == 0 ? _ => last.Task : i == lanes - 1 ? _ => Begin() : null);
        UpdateSum sum = (await new WeightedMean().AggregateAsync(FakeUpdate.Layout(Length), updates, resources, TestContext.Current.CancellationToken)).Sum;
        pool.Return(sum.Vector);
        Assert.InRange(CountFree(pool, Length), lanes - 1, lanes + 1);
    }

    [Fact]
    public async Task An_update_that_follows_another_through_the_total_takes_no_memory()
    {
        using var pool = new FlatVectorPool();
        using var isHalfAdded = new ManualResetEventSlim();
        FakeUpdate[] updates = FakeUpdate.Many(2, Long, i => i == 0 ? null : ct => Task.Run(() => isHalfAdded.Wait(Hang, ct), ct), reading: i => offset =>
        {
            if (i == 0 && offset > Long / 2) isHalfAdded.Set();
        });
        FlatVector sum = await SumAsync(updates, pool);
        Assert.Equal(0, CountFree(pool, Long));
        Assert.Equal(updates[0].Values.Zip(updates[1].Values, (a, b) => a + b), sum.AsSpan().ToArray());
    }

    [Fact]
    public async Task What_an_update_has_kept_for_itself_goes_to_the_total_as_soon_as_it_may()
    {
        using var pool = new FlatVectorPool();
        using ManualResetEventSlim secondIsHalfRead = new(), firstIsAdded = new(), isCounted = new();
        int free = -1;
        Task OpenAsync(int index, CancellationToken ct) => Task.Run(
            () =>
            {
                if (index == 0) secondIsHalfRead.Wait(Hang, ct);
                if (index < 2) return;

                // The third update is opened by who is through with the first.
                firstIsAdded.Set();
                isCounted.Wait(Hang, ct);
            }, ct);
        FakeUpdate[] updates = FakeUpdate.Many(3, Long, i => ct => OpenAsync(i, ct), reading: i => offset =>
        {
            if (i != 1 || offset < Long / 2) return;
            secondIsHalfRead.Set();
            firstIsAdded.Wait(Hang);
            if (free >= 0 || offset < Long * 3 / 4) return;
            free = CountFree(pool, Long);
            isCounted.Set();
        });
        FlatVector sum = await SumAsync(updates, pool);
        Assert.Equal(1, free);
        Assert.Equal(updates[0].Values.Zip(updates[1].Values, (a, b) => a + b).Zip(updates[2].Values, (a, b) => a + b), sum.AsSpan().ToArray());
    }

    [Theory]
    [InlineData(2, 20, 0)]
    [InlineData(2, 20, 1)]
    [InlineData(3, 20, 2)]
    [InlineData(5, 20, 3)]
    [InlineData(3, 75, 4)]
    public async Task The_bits_of_long_vectors_do_not_depend_on_who_has_to_wait(int threads, int count, int seed)
    {
        // Of more than 64 updates some lanes have two.
        RandomStream random = Statistics.Stream("waits", seed);
        int[] slow = [.. Enumerable.Range(0, count).Select(_ => random.NextInt32(3) == 0 ? random.NextInt32(Long) : Long)];
        FakeUpdate[] updates = FakeUpdate.Many(
            count, Long, i => i % 7 == 3 ? _ => throw Refusal() : null, reading: i => offset =>
            {
                // A slow disk: a reader blocks its thread, long beyond what others wait for it.
                if (offset >= slow[i] && offset < slow[i] + 10_000) Thread.Sleep(1);
            });
        using FlatVectorPool pool = new(), alone = new();
        Assert.Equal((await SumAsync(updates, alone, threads: 1)).AsSpan().ToArray(), (await SumAsync(updates, pool, threads)).AsSpan().ToArray());
    }

    [Theory]
    [InlineData(1, 0)]
    [InlineData(2, 0)]
    [InlineData(2, 500)]
    [InlineData(8, 999)]
    public async Task A_fault_of_one_source_surfaces_and_everything_comes_back(int threads, int at)
    {
        using var pool = new WatchedPool();
        FakeUpdate[] updates = FakeUpdate.Many(1000, Length, i => i == at ? _ => throw new TimeZoneNotFoundException() : null);
        await Assert.ThrowsAsync<TimeZoneNotFoundException>(() => RunAsync(updates, threads, pool).WaitAsync(Hang, TestContext.Current.CancellationToken));
        Assert.True(pool.IsComplete());
        Assert.All(updates, update => Assert.Equal(0, update.Open));
    }

    [Fact]
    public async Task A_fault_of_one_source_does_not_wait_for_another_that_never_comes()
    {
        using var pool = new WatchedPool();
        var second = new TaskCompletionSource();
        FakeUpdate[] updates = FakeUpdate.Many(2, Length, i => async ct =>
        {
            if (i == 1)
            {
                second.SetResult();
                await new TaskCompletionSource().Task.WaitAsync(ct);
            }

            await second.Task;
            throw new TimeZoneNotFoundException();
        });
        await Assert.ThrowsAsync<TimeZoneNotFoundException>(() => RunAsync(updates, 2, pool).WaitAsync(Hang, TestContext.Current.CancellationToken));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task A_fault_in_the_middle_of_an_update_surfaces_even_where_it_is_called_a_refusal(int threads)
    {
        using var pool = new WatchedPool();
        IUpdateSource[] updates = [.. FakeUpdate.Many(20, Length).Select((update, i) => i == 3 ? (IUpdateSource)new Torn() : update)];
        await Assert.ThrowsAsync<UpdateRefusedException>(() => RunAsync(updates, threads, pool).WaitAsync(Hang, TestContext.Current.CancellationToken));
        Assert.True(pool.IsComplete());
    }

    [Fact]
    public async Task A_fault_in_an_update_that_another_one_follows_surfaces_and_everything_comes_back()
    {
        using var pool = new WatchedPool(Long, 4);
        using ManualResetEventSlim isHalfRead = new(), isFollowed = new();
        FakeUpdate[] updates = FakeUpdate.Many(2, Long, i => i == 0 ? null : ct => Task.Run(() => isHalfRead.Wait(Hang, ct), ct), reading: i => offset =>
        {
            if (i == 1 && offset > 0) isFollowed.Set();
            if (i == 1 || offset < Long / 2) return;
            isHalfRead.Set();
            isFollowed.Wait(Hang);
            throw new TimeZoneNotFoundException();
        });
        await Assert.ThrowsAsync<TimeZoneNotFoundException>(() => RunAsync(updates, 2, pool, length: Long).WaitAsync(Hang, TestContext.Current.CancellationToken));
        Assert.True(isFollowed.IsSet);
        Assert.True(pool.IsComplete());
        Assert.All(updates, update => Assert.Equal(0, update.Open));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public async Task Cancelling_ends_the_sum_and_everything_comes_back(int threads)
    {
        using var pool = new WatchedPool();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        FakeUpdate[] updates = FakeUpdate.Many(200, Length, i => async ct =>
        {
            if (i == 100) await stop.CancelAsync();
            await Task.Yield();
            ct.ThrowIfCancellationRequested();
        });
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => RunAsync(updates, threads, pool, stop.Token).WaitAsync(Hang, TestContext.Current.CancellationToken));
        Assert.True(pool.IsComplete());
        Assert.All(updates, update => Assert.Equal(0, update.Open));
    }

    [Fact]
    public async Task A_reader_that_ends_too_early_is_a_fault_and_no_endless_loop()
    {
        using var pool = new FlatVectorPool();
        using var resources = new AggregationResources(1, pool);
        await Assert.ThrowsAsync<InvalidOperationException>(() => new WeightedMean().AggregateAsync(
            FakeUpdate.Layout(Length + 1), FakeUpdate.Many(1, Length), resources, TestContext.Current.CancellationToken).AsTask());
    }

    private static async Task<AggregationResult> RunAsync(IReadOnlyList<IUpdateSource> updates, int threads, WatchedPool pool, CancellationToken? ct = null, int length = Length)
    {
        using var resources = new AggregationResources(threads, pool.Vectors);
        return await new WeightedMean().AggregateAsync(FakeUpdate.Layout(length), updates, resources, ct ?? TestContext.Current.CancellationToken);
    }

    private static async Task<FlatVector> SumAsync(FakeUpdate[] updates, FlatVectorPool pool, int threads = 2)
    {
        using var resources = new AggregationResources(threads, pool) { PartialSumBytes = 0 };
        return (await new WeightedMean().AggregateAsync(FakeUpdate.Layout(Long), updates, resources, TestContext.Current.CancellationToken)).Sum.Vector;
    }

    private static UpdateRefusedException Refusal() => new("test.refused", "refused");

    // A pool that holds nothing more makes a new vector, which still is all zeros in its first element.
    private static int CountFree(FlatVectorPool pool, int length)
    {
        var mark = new HashSet<FlatVector>(ReferenceEqualityComparer.Instance);
        int before = -1;
        while (mark.Count != before)
        {
            before = mark.Count;
            FlatVector vector = pool.Rent(length);
            if (vector.AsSpan().ToArray().Any(value => value != 0)) mark.Add(vector);
        }

        return mark.Count;
    }

    /// <summary>A pool that holds known vectors, more than are ever rented at once: if one is missing in the end, another stands in its place.</summary>
    private sealed class WatchedPool : IDisposable
    {
        private readonly HashSet<FlatVector> _known = new(ReferenceEqualityComparer.Instance);
        private readonly int _length;

        public WatchedPool(int length = Length, int count = 100)
        {
            _length = length;
            for (int i = 0; i < count; i++) _known.Add(new FlatVector(length));
            foreach (FlatVector vector in _known) Vectors.Return(vector);
        }

        public FlatVectorPool Vectors { get; } = new();

        public bool IsComplete()
        {
            FlatVector[] rented = [.. Enumerable.Range(0, _known.Count).Select(_ => Vectors.Rent(_length))];
            return _known.SetEquals(rented);
        }

        public void Dispose() => Vectors.Dispose();
    }

    private sealed class Torn : IUpdateSource, IUpdateReader
    {
        public int Contributors => 1;

        public ReadOnlySpan<double> Scalars => new double[2];

        public ValueTask<IUpdateReader> OpenAsync(CancellationToken ct) => new(this);

        public ReadOnlySpan<float> Read(long offset) => offset == 0 ? new float[10] : throw Refusal();

        public void Dispose()
        {
        }
    }
}
