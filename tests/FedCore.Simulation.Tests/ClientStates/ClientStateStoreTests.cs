using FedCore.Numerics;
using FedCore.Rounds;
using FedCore.Simulation.ClientStates;

namespace FedCore.Simulation.Tests.ClientStates;

public class ClientStateStoreTests
{
    private const int Length = 3;

    private static readonly RunPlan Plan = SmallRun.Plan();

    [Fact]
    public void What_was_written_counts_once_its_update_counts()
    {
        using var store = new ClientStateStore(null);
        TrainTask first = Task(), second = Task();
        Write(store, first, client: 7, 1);
        Assert.Null(Read(store, 7));
        store.Settle(first, counts: true);
        Assert.Equal(1, Read(store, 7));
        Write(store, second, client: 7, 2);
        Assert.Equal(1, Read(store, 7));
        store.Settle(second, counts: false);
        Assert.Equal(1, Read(store, 7));
    }

    [Fact]
    public void Clients_and_names_have_states_of_their_own()
    {
        using var store = new ClientStateStore(null);
        TrainTask task = Task();
        Write(store, task, client: 1, 10);
        Write(store, task, client: 2, 20);
        Write(store, task, client: 1, 30, name: "other");
        store.Settle(task, counts: true);
        Assert.Equal((10f, 20f, 30f), (Read(store, 1), Read(store, 2), Read(store, 1, "other")));
        Assert.Null(Read(store, 2, "other"));
    }

    private static TrainTask Task() => new(new Strategies.ClientTask { Round = 1, Work = new(1, 0), BatchSize = 1, LearningRate = 1 }, 1, 0, 1, null!, Plan.TrainLayout, null);

    private static void Write(ClientStateStore store, TrainTask task, long client, float value, string name = "a")
    {
        using var vector = new FlatVector(Length);
        vector.AsSpan().Fill(value);
        store.Write(name, client, vector, task);
    }

    private static float? Read(ClientStateStore store, long client, string name = "a")
    {
        using var vector = new FlatVector(Length);
        return store.TryRead(name, client, vector) ? Assert.Single(vector.AsSpan().ToArray().Distinct()) : null;
    }
}
