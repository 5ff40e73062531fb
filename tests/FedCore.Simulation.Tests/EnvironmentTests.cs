using FedCore.Models;
using FedCore.Rounds;
using FedCore.Training.Data;
using FedCore.Training.Partitioning;

namespace FedCore.Simulation.Tests;

/// <summary>What decides a simulation beside the run is in one digest, so that a run does not go on with something else.</summary>
public class EnvironmentTests
{
    private static readonly RunPlan Plan = SmallRun.Plan();
    private static readonly SimulationDefinition Simulation = new() { Clients = new SyntheticClients() };

    [Fact]
    public void The_same_examples_give_the_same_digest() => Assert.Equal(Of(Data()), Of(Data()));

    [Fact]
    public void Another_feature_label_or_deal_gives_another_digest()
    {
        string[] digests = [Of(Data()), Of(Data(feature: 9)), Of(Data(label: 2)), Of(Data(clients: 3))];
        Assert.Equal(digests.Length, digests.Distinct().Count());
    }

    [Fact]
    public void Another_section_or_first_model_gives_another_digest()
    {
        using ModelState zero = new(Plan.Model.Schema), drawn = ModelState.Initialize(Plan.Model, Plan.Random.Stream("x"));
        string[] digests =
        [
            Of(Data()), FederatedSimulation.EnvironmentOf(Plan, Simulation with { TestFraction = 0.5 }, Data(), null),
            FederatedSimulation.EnvironmentOf(Plan, Simulation, Data(), zero), FederatedSimulation.EnvironmentOf(Plan, Simulation, Data(), drawn),
        ];
        Assert.Equal(digests.Length, digests.Distinct().Count());
    }

    private static string Of(IFederatedData data) => FederatedSimulation.EnvironmentOf(Plan, Simulation, data, null);

    private static IFederatedData Data(float feature = 0, float label = 0, int clients = 2)
    {
        float[] features = new float[20 * 6], labels = new float[20];
        (features[7], labels[19]) = (feature, label);
        var pool = new DataPool(new InMemoryExamples(new Shape(6), features, labels));
        return FederatedSimulation.Deal(Plan, pool, new IidPartitioner { Clients = clients });
    }
}
