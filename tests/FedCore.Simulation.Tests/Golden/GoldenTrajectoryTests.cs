using FedCore.Models;
using FedCore.Rounds;
using FedCore.Strategies;
using FedCore.Tests;
using FedCore.Training.Data;

namespace FedCore.Simulation.Tests.Golden;

/// <summary>The product's strategies, trainer and round engine against the recorded trajectories of FLamby (Ogier du Terrail et al. 2022).</summary>
public class GoldenTrajectoryTests
{
    public static TheoryData<string> Trajectories => [.. SharedData.Files("golden", "heart_*_seed*.json").Select(Path.GetFileName).OfType<string>()];

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Trajectories))]
    public async Task Golden_trajectory_is_reproduced_in_every_weight_after_every_round(string file)
    {
        var golden = new GoldenRun(SharedData.Require("golden/" + file));
        RunPlan plan = golden.Plan();
        using var initial = new ModelState(plan.Model.Schema);
        golden.Initial.CopyTo(initial.Trainable.AsSpan());

        var weights = new List<float[]>();
        var options = new SimulationOptions { InitialModel = initial, Checkpoints = new EveryRound(weights), Threads = 2 };
        using SimulationResult result = await FederatedSimulation.RunAsync(plan, golden.Hospitals(), options, TestContext.Current.CancellationToken);

        Assert.Equal(golden.Rounds, weights.Count);
        double farthest = 0;
        for (int round = 0; round < golden.Rounds; round++)
        {
            for (int i = 0; i < golden.Initial.Length; i++)
            {
                farthest = Math.Max(farthest, Math.Abs((double)golden.GlobalAfterRound[round][i] - weights[round][i]));
                Assert.Equal(golden.GlobalAfterRound[round][i], weights[round][i], 1e-5f);
            }
        }

        TestContext.Current.SendDiagnosticMessage($"{file}: at most {farthest:G2} from the recorded weights");
        ExampleView pooled = await HeartData.PooledTestAsync(plan, TestContext.Current.CancellationToken);
        Assert.Equal(golden.TestAccuracy[^1], HeartData.Accuracy(plan, result.Server.Model, pooled), 1e-12);
        IFederatedData hospitals = golden.Hospitals();
        for (int centre = 0; centre < 4; centre++)
            Assert.Equal(golden.TestAccuracy[centre], HeartData.Accuracy(plan, result.Server.Model, hospitals.Get(centre).Test), 1e-12);
    }

    private sealed class EveryRound(List<float[]> weights) : ICheckpointStore
    {
        public bool IsDue(int round) => true;

        public ValueTask<string> SaveAsync(int round, ServerState state, CancellationToken ct)
        {
            weights.Add(state.Model.Trainable.AsSpan().ToArray());
            return new ValueTask<string>("");
        }

        public ValueTask LoadAsync(CheckpointSaved saved, ServerState state, CancellationToken ct) => throw new NotSupportedException();
    }
}
