using System.Runtime.InteropServices;
using FedCore.Core.Tests.Json;
using FedCore.Models;
using FedCore.Numerics;
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

    // The limit is one of shapes, of 2^31 - 1 for an extent; here it is 5.
    [Theory]
    [InlineData(5)]
    [InlineData(1)]
    [InlineData(1 << 30)]
    public void A_vector_that_is_longer_than_a_tensor_may_be_is_saved_in_parts(int longest)
    {
        RunPlan plan = PlanOf("{\"type\":\"fedavg\"}");
        using ServerState state = New(plan), again = New(plan);
        foreach (string name in (string[])["velocity", "of#1", "7"])
            foreach ((long offset, int count) in VectorBlocks.Of(state.Vector(name).Length))
                for (int i = 0; i < count; i++) state.Vector(name).Slice(offset, count)[i] = offset + i + name.Length;
        MemoryStream file = Write(state, plan, longest);
        ServerCheckpoint.Read(file, again, plan.StrategyName, longest);
        Assert.Equal(state.Vectors.Keys, again.Vectors.Keys);
        Assert.All(state.Vectors.Keys, name => Assert.Equal(state.Vectors[name].AsSpan().ToArray(), again.Vectors[name].AsSpan().ToArray()));
    }

    [Fact]
    public void A_vector_of_which_a_part_is_missing_is_refused()
    {
        RunPlan plan = PlanOf("{\"type\":\"fedavg\"}");
        using ServerState state = New(plan), again = New(plan);
        long length = state.Vector("velocity").Length, longest = length / 2;
        var first = new TensorSchema("strategy/velocity#0", new Shape((int)longest), TensorType.F32, TensorRole.Frozen, 0);
        using var file = new MemoryStream();
        SafeTensors.Write(
            file,
            [
                .. state.Model.Schema.Tensors.Select(t => (t, (SafeTensors.ReadBytes)((offset, count) => state.Model.Bytes(t, offset, count)))),
                (first, (offset, count) => MemoryMarshal.AsBytes(state.Vector("velocity").Slice(offset / 4, count / 4))),
            ],
            new Dictionary<string, string> { ["fedcore.strategy"] = plan.StrategyName });
        file.Position = 0;
        var fault = Assert.Throws<FedCoreException>(() => ServerCheckpoint.Read(file, again, plan.StrategyName, longest));
        Assert.Equal("model.safetensors", fault.Code);
        Assert.Contains("strategy/velocity#1", fault.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("strategy/velocity")]
    [InlineData("strategy/velocity#9")]
    [InlineData("strategy/velocity#00")]
    [InlineData("strategy/velocity#-1")]
    [InlineData("strategy/velocity#99999999999999999999")]
    [InlineData("strategy/")]
    [InlineData("strategy/#1")]
    public void A_part_that_no_vector_has_is_refused(string name)
    {
        RunPlan plan = PlanOf("{\"type\":\"fedavg\"}");
        using ServerState state = New(plan), again = New(plan);
        var odd = new TensorSchema(name, new Shape(3), TensorType.F32, TensorRole.Frozen, 0);
        using var file = new MemoryStream();
        SafeTensors.Write(
            file, [.. state.Model.Schema.Tensors.Select(t => (t, (SafeTensors.ReadBytes)((offset, count) => state.Model.Bytes(t, offset, count)))), (odd, (_, count) => new byte[count])],
            null);
        file.Position = 0;
        Assert.Equal("model.safetensors", Assert.Throws<FedCoreException>(() => ServerCheckpoint.Read(file, again, plan.StrategyName, 5)).Code);
    }

    private static RunPlan PlanOf(string strategy) => RunPlan.Create(RunFiles.Read("strategy=" + strategy), RunFiles.Names);

    private static ServerState New(RunPlan plan) => new(new ModelState(plan.Model.Schema));

    private static MemoryStream Write(ServerState state, RunPlan plan, long longest = 1 << 30)
    {
        var file = new MemoryStream();
        ServerCheckpoint.Write(file, state, plan.StrategyName, null, longest);
        file.Position = 0;
        return file;
    }
}
