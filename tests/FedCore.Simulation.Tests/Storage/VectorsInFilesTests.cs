using FedCore.Aggregation;
using FedCore.Aggregation.Robust;
using FedCore.Models;
using FedCore.Numerics;
using FedCore.Rounds;
using FedCore.Strategies;
using FedCore.Strategies.Server;
using FedCore.Tests;

namespace FedCore.Simulation.Tests.Storage;

public class VectorsInFilesTests
{
    public static TheoryData<IAggregator> Rules => [new WeightedMean(), new Bulyan { Byzantine = 1 }];

    [Theory]
    [MemberData(nameof(Rules))]
    public async Task A_run_has_the_same_bits_whether_its_vectors_lie_in_memory_or_in_files(IAggregator rule)
    {
        RunPlan plan = SmallRun.Plan(
            strategy: new FedAvg { Server = new ServerMomentum() }, change: run => run with { Aggregator = rule, Disclosures = rule.Disclosures });
        using var folder = new TemporaryFolder();
        var files = new VectorStorage(folder.Path, thresholdBytes: 0);
        using SimulationResult inMemory = await SmallRun.RunAsync(plan), inFiles = await SmallRun.RunAsync(plan, new SimulationOptions { Storage = files });
        Assert.Equal(inMemory.Server.Model.Digest(), inFiles.Server.Model.Digest());
    }

    // The model that a run starts from is the caller's, and stays where it is; the run's own lies where the run keeps vectors.
    [Fact]
    public async Task A_folder_that_is_not_there_ends_a_run_that_needs_it()
    {
        RunPlan plan = SmallRun.Plan();
        using var folder = new TemporaryFolder();
        using ModelState initial = ModelState.Initialize(plan.Model, plan.World.Stream("model"));
        foreach (ModelState? model in (ModelState?[])[null, initial])
        {
            var options = new SimulationOptions { Storage = new VectorStorage(folder["none"], thresholdBytes: 0), InitialModel = model };
            var fault = await Assert.ThrowsAsync<FedCoreException>(() => SmallRun.RunAsync(plan, options));
            Assert.Equal("storage.folder", fault.Code);
        }
    }
}
