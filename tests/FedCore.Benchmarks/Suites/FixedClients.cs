using FedCore.Models;
using FedCore.Numerics;
using FedCore.Training.Data;

namespace FedCore.Benchmarks.Suites;

/// <summary>Clients with the same number of random examples each.</summary>
internal sealed class FixedClients : IFederatedData
{
    private readonly ClientData[] _clients;

    public FixedClients(ModelPlan model, int clients, int examples)
    {
        int features = (int)model.Input.ElementCount;
        RandomStream random = new RandomKeys([], 1).Stream("examples");
        float[] x = new float[clients * examples * features], y = new float[clients * examples];
        for (int i = 0; i < x.Length; i++) x[i] = (float)random.NextDouble();
        for (int i = 0; i < y.Length; i++) y[i] = random.NextInt32(model.Label.Classes);
        Set = new InMemoryExamples(model.Input, x, y);
        int[] rows = [.. Enumerable.Range(0, y.Length)];
        var none = new ExampleView(Set, ReadOnlyMemory<int>.Empty);
        _clients = [.. Enumerable.Range(0, clients).Select(i => new ClientData(new ExampleView(Set, rows.AsMemory(i * examples, examples)), none))];
    }

    public InMemoryExamples Set { get; }

    public long ClientCount => _clients.Length;

    public string NameOf(long index) => ClientNames.Of(index);

    public int TrainCountOf(long index) => _clients[index].Train.Count;

    public ClientData Get(long index) => _clients[index];
}
