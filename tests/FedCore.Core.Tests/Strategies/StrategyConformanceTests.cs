using System.Numerics.Tensors;
using FedCore.Models;
using FedCore.Naming;
using FedCore.Numerics;
using FedCore.Rounds;
using FedCore.Strategies;
using FedCore.Strategies.Conformance;
using FedCore.Strategies.Server;
using FedCore.Updates;

namespace FedCore.Core.Tests.Strategies;

public class StrategyConformanceTests
{
    private static readonly Registry Names = Registry.CreateDefault().Register<IStrategy, Broken>("broken").Register<IStrategy, NeedsDeadline>("needsDeadline");

    /// <summary>Every registered strategy with its defaults, and with every server optimizer where it takes one.</summary>
    public static TheoryData<IStrategy> Strategies
    {
        get
        {
            var all = new TheoryData<IStrategy>();
            foreach (Type type in Registry.CreateDefault().NamesOf(typeof(IStrategy)).Values)
            {
                var strategy = (IStrategy)Activator.CreateInstance(type)!;

                // A question trains nothing.
                if (!strategy.TakesExampleMeans) all.Add(strategy);
            }

            foreach (Type type in Registry.CreateDefault().NamesOf(typeof(IServerOptimizer)).Values)
            {
                var server = (IServerOptimizer)Activator.CreateInstance(type)!;
                all.Add(new FedAvg { Server = server });
                all.Add(new FedProx { Mu = 0.1, Server = server });
                all.Add(new Scaffold { Server = server });
                all.Add(new FedNova { Mu = 0.1, Server = server });
            }

            return all;
        }
    }

    [Theory]
    [MemberData(nameof(Strategies))]
    public async Task Every_strategy_conforms(IStrategy strategy) =>
        Assert.All(await StrategyConformance.CheckAsync(strategy, Names, ct: TestContext.Current.CancellationToken), result => Assert.True(result.Holds, $"{result}"));

    [Theory]
    [InlineData(Break.Layout, "its layout is the same every time, with the model's change in it")]
    [InlineData(Break.NoModel, "its layout is the same every time, with the model's change in it")]
    [InlineData(Break.Plan, "its plan depends on round and client alone")]
    [InlineData(Break.Still, "a round of one client moves the model and leaves it finite")]
    [InlineData(Break.Weight, "its clients weigh what their tasks say, unless it has weights of its own")]
    [InlineData(Break.Division, "a client that weighs nothing leaves the model finite")]
    [InlineData(Break.Sum, "with all of the sums ten times as large it forms the same means")]
    [InlineData(Break.Random, "the same updates give the same bits")]
    [InlineData(Break.Field, "a run that is resumed from saved state goes on with the same bits")]
    [InlineData(Break.HiddenState, "a round of one client moves the model and leaves it finite")]
    [InlineData(Break.HiddenBroadcast, "a round of one client moves the model and leaves it finite")]
    [InlineData(Break.Linear, "it is linear in its updates, if it says so")]
    public async Task A_strategy_that_breaks_a_rule_fails_its_check(Break how, string fact)
    {
        IReadOnlyList<ConformanceResult> results = await StrategyConformance.CheckAsync(new Broken { How = how }, Names, ct: TestContext.Current.CancellationToken);
        Assert.Contains(results, result => result.Fact == fact && !result.Holds);
    }

    [Fact]
    public async Task The_same_strategy_unbroken_conforms() =>
        Assert.All(await StrategyConformance.CheckAsync(new Broken(), Names, ct: TestContext.Current.CancellationToken), result => Assert.True(result.Holds, $"{result}"));

    [Fact]
    public async Task A_strategy_that_needs_more_of_its_run_is_checked_in_such_a_run()
    {
        Assert.DoesNotContain(await StrategyConformance.CheckAsync(new NeedsDeadline(), Names, ct: TestContext.Current.CancellationToken), result => result is { Holds: true, Fact: "the same updates give the same bits" });
        Assert.All(
            await StrategyConformance.CheckAsync(
                new NeedsDeadline(), Names, run => run with { Rounds = run.Rounds with { DeadlineSeconds = 10 } }, TestContext.Current.CancellationToken),
            result => Assert.True(result.Holds, $"{result}"));
    }

    public enum Break
    {
        Nothing, Layout, NoModel, Plan, Still, Weight, Division, Sum, Random, Field, HiddenState, HiddenBroadcast, Linear,
    }

    private sealed class NeedsDeadline : FedAvg
    {
        public override void Check(RunDefinition run)
        {
            if (run.Rounds.DeadlineSeconds is null) throw FedCoreException.Configuration("run.strategy", "It needs a deadline.");
        }
    }

    private sealed class Broken : IStrategy
    {
        private int _calls;
        private float _momentum;

        public Break How { get; init; }

        public bool IsLinear => true;

        public UpdateLayout Layout(ModelSchema schema) => How switch
        {
            Break.Layout => UpdateLayout.ForModel(schema).With(new Section($"s{_calls++}", SectionRole.Statistic, 1)),
            Break.NoModel => new UpdateLayout(new Section("change", SectionRole.Model, schema.TrainableCount)),
            _ => UpdateLayout.ForModel(schema),
        };

        public ClientTask Plan(RoundContext round, ClientDescriptor client) =>
            How == Break.Plan ? round.StandardTask with { LearningRate = 0.1 / ++_calls } : round.StandardTask;

        public IClientAlgorithm CreateClientAlgorithm(ClientTask task) => new Training(How);

        public void Apply(UpdateSum sum, RoundContext round, ServerState state)
        {
            if (How == Break.Still) return;
            double scale = How switch
            {
                Break.Division => 1 / (3.0 - sum.Contributors) / sum.Weight,
                Break.Sum => 1,
                Break.Random => Random.Shared.NextDouble() / sum.Weight,
                Break.Field => (_momentum = 0.5f * _momentum + 1) / sum.Weight,
                _ => 1 / sum.Weight,
            };
            VectorBlocks.AddScaled(state.Model.Trainable, (float)scale, sum.Vector);
            if (How == Break.Linear) foreach (ref float w in state.Model.Trainable.AsSpan()) w = MathF.Tanh(w);
        }

        private sealed class Training(Break how) : LocalTraining
        {
            public override ValueTask RunAsync(IClientContext context, Update update, CancellationToken ct)
            {
                if (how == Break.HiddenState) context.State.Vector("own", 3);
                if (how == Break.HiddenBroadcast) context.Broadcast("other");
                return base.RunAsync(context, update, ct);
            }

            protected override void WriteChange(IClientContext context, Update update)
            {
                if (how == Break.Weight) update.Weight /= 3;
                base.WriteChange(context, update);
            }

            protected override void CorrectGradient(GradientBlock block) => TensorPrimitives.Multiply(block.Gradient, 0.5f, block.Gradient);
        }
    }
}
