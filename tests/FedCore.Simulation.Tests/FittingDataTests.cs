using FedCore.Models;
using FedCore.Rounds;
using FedCore.Training.Data;
using FedCore.Training.Partitioning;

namespace FedCore.Simulation.Tests;

/// <summary>Data from code is compared with the run before a model sees it. The small run has 6 features and 3 classes.</summary>
public class FittingDataTests
{
    [Fact]
    public void A_pool_that_does_not_fit_is_not_dealt_out()
    {
        RunPlan plan = SmallRun.Plan();
        InMemoryExamples sound = new(new Shape(6), new float[24], [0, 1, 2, 0]), wrong = new(new Shape(6), new float[24], [0, 1, 2, 4]);
        var partitioner = new IidPartitioner { Clients = 2 };
        Assert.Equal(2, FederatedSimulation.Deal(plan, new DataPool(sound, sound), partitioner).ClientCount);
        AssertFault(Assert.Throws<FedCoreException>(() => FederatedSimulation.Deal(plan, new DataPool(wrong), partitioner)), "data.label", "The training examples");
        AssertFault(Assert.Throws<FedCoreException>(() => FederatedSimulation.Deal(plan, new DataPool(sound, wrong), partitioner)), "data.label", "The test examples");
    }

    [Fact]
    public async Task A_client_whose_labels_do_not_fit_is_named()
    {
        var data = new OwnClients(new InMemoryExamples(new Shape(6), new float[12], [0, 4]));
        AssertFault(await RefusalAsync(data), "data.label", "client 'mine'", "label 1 is 4", "0 to 2");
    }

    [Fact]
    public async Task A_client_whose_features_do_not_fit_is_named()
    {
        var data = new OwnClients(new InMemoryExamples(new Shape(7), new float[14], [0, 1]));
        AssertFault(await RefusalAsync(data), "data.shape", "client 'mine'", "7 features", "model.input is [6]");
    }

    private static Task<FedCoreException> RefusalAsync(IFederatedData data) => Assert.ThrowsAsync<FedCoreException>(
        () => FederatedSimulation.RunAsync(SmallRun.Plan(), data, ct: TestContext.Current.CancellationToken));

    private static void AssertFault(FedCoreException fault, string code, params string[] names)
    {
        Assert.Equal((code, FaultKind.Configuration), (fault.Code, fault.Kind));
        Assert.All(names, name => Assert.Contains(name, fault.Message, StringComparison.Ordinal));
    }

    private sealed class OwnClients(ExampleSet examples) : IFederatedData
    {
        public long ClientCount => 1;

        public string NameOf(long index) => "mine";

        public int TrainCountOf(long index) => examples.Count;

        public ClientData Get(long index) => new(ExampleView.All(examples), ExampleView.All(examples));
    }
}
