using FedCore.Models;
using FedCore.Training.Data;

namespace FedCore.Simulation.Tests;

public class CachedDataTests
{
    // A client has 10 examples with 3 features and a label: 160 bytes.
    private const long ClientBytes = 160;

    [Fact]
    public void A_client_is_kept_from_its_second_use_on()
    {
        var counted = new CountedData();
        var cached = new CachedData(counted, 3 * ClientBytes);
        cached.Get(0);
        ClientData second = cached.Get(0);
        Assert.Same(second, cached.Get(0));
        Assert.Equal([0, 0], counted.Made);
    }

    [Fact]
    public void Clients_that_are_used_once_take_no_room()
    {
        var counted = new CountedData();
        var cached = new CachedData(counted, 2 * ClientBytes);
        foreach (long index in (long[])[2, 3, 4, 5, 0, 0, 1, 1]) cached.Get(index);
        counted.Made.Clear();
        cached.Get(0);
        cached.Get(1);
        Assert.Empty(counted.Made);
    }

    // With the least recently used one displaced, two places would be of no use to three clients that take turns.
    [Fact]
    public void A_client_that_finds_no_room_displaces_nobody()
    {
        var counted = new CountedData();
        var cached = new CachedData(counted, 2 * ClientBytes);
        for (int round = 0; round < 2; round++)
            foreach (long index in (long[])[0, 1, 2]) cached.Get(index);
        counted.Made.Clear();
        for (int round = 0; round < 2; round++)
            foreach (long index in (long[])[0, 1, 2]) cached.Get(index);
        Assert.Equal([2, 2], counted.Made);
    }

    [Fact]
    public void A_smaller_client_still_fits_where_a_larger_one_did_not()
    {
        var counted = new CountedData { ExamplesOf = index => index == 9 ? 1000 : 10 };
        var cached = new CachedData(counted, ClientBytes);
        foreach (long index in (long[])[9, 9, 0, 0]) cached.Get(index);
        counted.Made.Clear();
        foreach (long index in (long[])[9, 0]) cached.Get(index);
        Assert.Equal([9], counted.Made);
    }

    [Fact]
    public void Many_threads_get_the_same_examples()
    {
        var cached = new CachedData(new CountedData(), 5 * ClientBytes);
        Parallel.For(0, 10_000, i => Assert.Equal(i % 13, cached.Get(i % 13).Train.Set.Label(0)[0]));
    }

    private sealed class CountedData : IFederatedData
    {
        private readonly Lock _lock = new();

        public List<long> Made { get; } = [];

        public Func<long, int> ExamplesOf { get; init; } = _ => 10;

        public long ClientCount => 100;

        public string NameOf(long index) => $"c{index}";

        public int TrainCountOf(long index) => ExamplesOf(index);

        public ClientData Get(long index)
        {
            lock (_lock) Made.Add(index);
            int count = ExamplesOf(index);
            float[] labels = [.. Enumerable.Repeat((float)index, count)];
            ExampleView all = ExampleView.All(new InMemoryExamples(new Shape(3), new float[3 * count], labels));
            return new ClientData(all, new ExampleView(all.Set, ReadOnlyMemory<int>.Empty));
        }
    }
}
