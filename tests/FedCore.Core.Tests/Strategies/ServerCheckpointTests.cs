using FedCore.Core.Tests.Json;
using FedCore.Models;
using FedCore.Rounds;
using FedCore.Strategies;

namespace FedCore.Core.Tests.Strategies;

public class ServerCheckpointTests
{
    [Theory]
    [InlineData("{\"type\":\"fedavg\"}", "fedavg+average")]
    [InlineData("{\"type\":\"fedprox\",\"server\":{\"type\":\"yogi\"}}", "fedprox+yogi")]
    [InlineData("{\"type\":\"feddyn\"}", "feddyn")]
    public void A_state_is_named_by_the_strategy_and_its_parts(string strategy, string name) => Assert.Equal(name, PlanOf(strategy).StrategyName);

    [Fact]
    public void A_state_is_read_back_by_the_strategy_that_wrote_it_whatever_its_parameters()
    {
        RunPlan written = PlanOf("{\"type\":\"fedavg\",\"server\":{\"type\":\"adam\"}}"), read = PlanOf("{\"type\":\"fedavg\",\"server\":{\"type\":\"adam\",\"beta2\":0.5}}");
        using ServerState state = New(written), again = New(read);
        state.Vector("firstMoment").AsSpan().Fill(3);
        ServerCheckpoint.Read(Write(state, written), again, read.StrategyName);
        Assert.Equal(state.Vector("firstMoment").AsSpan(), again.Vector("firstMoment").AsSpan());
    }

    // Adam's and Yogi's vectors have the same names and mean something else.
    [Fact]
    public void The_state_of_another_strategy_is_refused_by_name()
    {
        RunPlan adam = PlanOf("{\"type\":\"fedavg\",\"server\":{\"type\":\"adam\"}}"), yogi = PlanOf("{\"type\":\"fedavg\",\"server\":{\"type\":\"yogi\"}}");
        using ServerState state = New(adam), other = New(yogi);
        state.Vector("firstMoment");
        var fault = Assert.Throws<FedCoreException>(() => ServerCheckpoint.Read(Write(state, adam), other, yogi.StrategyName));
        Assert.Equal("run.checkpoint", fault.Code);
        Assert.Contains("fedavg+adam", fault.Message, StringComparison.Ordinal);
        Assert.Contains("fedavg+yogi", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_state_of_another_model_is_refused_by_the_tensor()
    {
        RunPlan small = PlanOf("{\"type\":\"fedavg\"}");
        RunPlan large = RunPlan.Create(RunFiles.Read("model.layers[0].outputs=5"), RunFiles.Names);
        using ServerState state = New(small), other = New(large);
        var fault = Assert.Throws<FedCoreException>(() => ServerCheckpoint.Read(Write(state, small), other, small.StrategyName));
        Assert.Contains("'linear0.kernel'", fault.Message, StringComparison.Ordinal);
    }

    private static RunPlan PlanOf(string strategy) => RunPlan.Create(RunFiles.Read("strategy=" + strategy), RunFiles.Names);

    private static ServerState New(RunPlan plan) => new(new ModelState(plan.Model.Schema));

    private static MemoryStream Write(ServerState state, RunPlan plan)
    {
        var file = new MemoryStream();
        ServerCheckpoint.Write(file, state, plan.StrategyName);
        file.Position = 0;
        return file;
    }
}
