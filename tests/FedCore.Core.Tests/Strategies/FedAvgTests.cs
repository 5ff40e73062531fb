using FedCore.Core.Tests.Json;
using FedCore.Models;
using FedCore.Numerics;
using FedCore.Rounds;
using FedCore.Strategies;
using FedCore.Strategies.Server;
using FedCore.Updates;

namespace FedCore.Core.Tests.Strategies;

public class FedAvgTests
{
    private static readonly RunPlan Plan = RunPlan.Create(RunFiles.Read(), RunFiles.Names);

    // McMahan et al. 2017, algorithm 1: w + sum of n_k (w_k - w) / n. Two clients with 1 and 3 examples moved every weight by 4 and by 8: the mean is 7.
    [Theory]
    [InlineData(1, 7)]
    [InlineData(0.5, 3.5)]
    public void The_model_moves_by_the_weighted_mean_of_the_changes(double serverLearningRate, float step)
    {
        using FlatVector sum = Sum((1, 4), (3, 8));
        using ServerState server = Server(10);
        new FedAvg { Server = new ServerAverage { LearningRate = serverLearningRate } }.Apply(new UpdateSum(Plan.TrainLayout, sum, Scalars(weight: 4), 2), new RoundContext(Plan, 1, 10), server);
        Assert.All(server.Model.Trainable.AsSpan().ToArray(), value => Assert.Equal(10 + step, value));
    }

    [Fact]
    public void FedAvg_asks_for_whole_work_and_FedProx_takes_partial_work()
    {
        var client = new ClientDescriptor(0, new ClientId("a"));
        var round = new RoundContext(Plan, 1, 10);
        Assert.False(new FedAvg().Plan(round, client).AcceptPartialWork);
        Assert.True(new FedProx().Plan(round, client).AcceptPartialWork);
        Assert.False(new FedProx { PartialWork = false }.Plan(round, client).AcceptPartialWork);
    }

    private static FlatVector Sum(params (float Weight, float Change)[] clients)
    {
        var sum = new FlatVector(Plan.TrainLayout.VectorLength);
        sum.AsSpan().Fill(clients.Sum(client => client.Weight * client.Change));
        return sum;
    }

    private static double[] Scalars(double weight)
    {
        double[] scalars = new double[Plan.TrainLayout.ScalarCount];
        scalars[Plan.TrainLayout.Find(Section.Weight).Offset] = weight;
        return scalars;
    }

    private static ServerState Server(float value)
    {
        var model = new ModelState(Plan.Model.Schema);
        model.Trainable.AsSpan().Fill(value);
        return new ServerState(model);
    }
}
