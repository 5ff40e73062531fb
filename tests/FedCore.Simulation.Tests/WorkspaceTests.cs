using FedCore.Aggregation;
using FedCore.Naming;
using FedCore.Rounds;
using FedCore.Updates;

namespace FedCore.Simulation.Tests;

/// <summary>A workspace is in the hands of one reader at a time, whatever the aggregation rule does with its readers.</summary>
public class WorkspaceTests
{
    [Fact]
    public async Task Two_open_updates_never_share_a_workspace_even_if_a_reader_was_disposed_of_twice()
    {
        var trainer = new SmallRun.CountingTrainer();
        RunPlan plan = SmallRun.Plan(new RoundPolicy { Count = 1 });
        Registry names = Registry.CreateDefault().AddSimulation().Register<IAggregator, Careless>("careless");
        plan = RunPlan.Create(plan.Definition with { Aggregator = new Careless() }, names);
        using (await SmallRun.RunAsync(plan, new SimulationOptions { Trainer = trainer, Threads = 1 }, clients: 3)) { }

        Assert.Equal((2, 2), (trainer.Workspaces, trainer.Disposed));
    }

    // Disposes of the first update's reader twice, then opens two others at once.
    private sealed class Careless : IAggregator
    {
        public async ValueTask<AggregationResult> AggregateAsync(
            UpdateLayout layout, IReadOnlyList<IUpdateSource> updates, AggregationResources resources, CancellationToken ct)
        {
            IUpdateReader first = await updates[0].OpenAsync(ct);
            first.Dispose();
            first.Dispose();
            using (await updates[1].OpenAsync(ct))
            using (await updates[2].OpenAsync(ct))
            {
            }

            return await new WeightedMean().AggregateAsync(layout, updates, resources, ct);
        }
    }
}
