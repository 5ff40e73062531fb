using FedCore.Models;
using FedCore.Training.Data;

namespace FedCore.Simulation.Tests;

public class CachedDataTests
{
    // A client has 10 examples with 3 features and a label: 160 bytes.
    private const long ClientBytes = 160;

    [Fact]
    public void A_client_is_made_once_while_there_is_room()
    {
        var counted = new CountedData();
        var cached = new CachedData(counted, 3 * ClientBytes);
        ClientData first = cached.Get(0);
        cached.Get(1);
        cached.Get(2);
        Assert.Same(first, cached.Get(0));
        Assert.Equal([0, 1, 2], counted.Made);
    }

    [Fact]
    public void The_client_that_was_used_longest_ago_is_forgotten_first()
    {
        var counted = new CountedData();
        var cached = new CachedData(counted, 2 * ClientBytes);
        foreach (long index in (long[])[0, 1, 0, 2, 0, 1]) cached.Get(index);
        Assert.Equal([0, 1, 2, 1], counted.Made);
    }

    [Fact]
    public void A_client_that_is_larger_than_the_room_displaces_nobody()
    {
        var counted = new CountedData { ExamplesOf = index => index == 9 ? 1000 : 10 };
        var cached = new CachedData(counted, 2 * ClientBytes);
        foreach (long index in (long[])[0, 1, 9, 9, 0, 1]) cached.Get(index);
        Assert.Equal([0, 1, 9, 9], counted.Made);
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
