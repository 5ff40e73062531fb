using System.ComponentModel.DataAnnotations;
using System.Text.Json.Nodes;
using FedCore.Json;
using FedCore.Models;
using FedCore.Models.Layers;
using FedCore.Models.Losses;
using FedCore.Naming;
using FedCore.Rounds;
using FedCore.Strategies;
using FedCore.Updates;

namespace FedCore.Core.Tests.Json;

/// <summary>A program's own strategy stands in a run file like those that FedCore brings along.</summary>
public class RegistryTests
{
    private static readonly Registry Names = Registry.CreateDefault().Register<IStrategy, OwnStrategy>("own");

    [Fact]
    public void An_own_strategy_reads_back_from_a_run_file()
    {
        RunDefinition run = RunFiles.Read(Names, "strategy={\"type\":\"own\",\"decay\":0.25}");
        Assert.Equal(0.25, Assert.IsType<OwnStrategy>(run.Strategy).Decay);
    }

    [Fact]
    public void An_own_strategy_stands_in_the_schema_with_its_limits_and_defaults()
    {
        JsonObject schema = JsonSchemas.For<RunDefinition>(Names);
        JsonNode own = schema["properties"]!["strategy"]!["anyOf"]!.AsArray()
            .Single(branch => (string?)branch!["properties"]!["type"]!["const"] == "own")!["properties"]!["decay"]!;
        Assert.Equal((0.0, 1.0, 0.5), ((double)own["exclusiveMinimum"]!, (double)own["maximum"]!, (double)own["default"]!));
    }

    [Theory]
    [InlineData("strategy={\"type\":\"own\",\"decay\":1.5}", "strategy.decay is 1.5: it must be above 0 and at most 1. The default is 0.5.")]
    [InlineData("strategy={\"type\":\"own\",\"deca\":1}", "strategy.deca is not known. Did you mean \"decay\"?")]
    [InlineData("strategy={\"type\":\"own\",\"computed\":1}", "strategy.computed is not known.")]
    [InlineData("strategy.type=ow", "strategy.type is \"ow\", which is not known. Did you mean \"own\"? Known: fedavg, ")]
    public void An_own_strategy_is_checked_like_any_other(string assignment, string message) => Assert.StartsWith(
        "run.json: " + message, Assert.Throws<FedCoreException>(() => RunFiles.Read(Names, assignment)).Message, StringComparison.Ordinal);

    [Fact]
    public void An_own_strategy_that_was_not_registered_is_refused_with_the_remedy()
    {
        RunDefinition run = RunFiles.Read() with { Strategy = new OwnStrategy() };
        var fault = Assert.Throws<FedCoreException>(() => RunPlan.Create(run, Registry.CreateDefault()));
        Assert.Equal("run.unregistered", fault.Code);
    }

    [Fact]
    public void A_name_stands_for_one_type() => Assert.Throws<NameTakenException>(() => Registry.CreateDefault().Register<IStrategy, OwnStrategy>("fedavg"));

    [Fact]
    public void A_type_has_one_name() => Assert.Throws<NameTakenException>(() => Registry.CreateDefault().Register<IStrategy, FedAvg>("average"));

    [Fact]
    public void One_name_may_stand_in_several_kinds() =>
        Assert.Equal(typeof(OwnLoss), Registry.CreateDefault().Register<LossSpec, OwnLoss>("linear").NamesOf(typeof(LossSpec))["linear"]);

    [Theory]
    [InlineData("")]
    [InlineData(" ")]
    public void A_name_is_not_empty(string name) => Assert.Throws<ArgumentException>(() => new Registry().Register<IStrategy, OwnStrategy>(name));

    [Fact]
    public void A_type_without_a_name_is_named_in_the_fault() =>
        Assert.Contains(nameof(OwnStrategy), Assert.Throws<ArgumentException>(() => Registry.CreateDefault().NameOf<IStrategy>(new OwnStrategy())).Message, StringComparison.Ordinal);

    [Fact]
    public void Every_type_of_the_default_registry_can_be_named_in_a_file_without_parameters_or_says_what_it_needs()
    {
        Assert.All(Names.NamesOf(typeof(LayerSpec)), pair =>
        {
            Exception? fault = Record.Exception(() => RunFiles.Read(Names, $"model.layers[0]={{\"type\":\"{pair.Key}\"}}"));
            Assert.True(fault is null || fault.Message.Contains("which it needs", StringComparison.Ordinal), fault?.Message);
        });
    }

    private sealed class OwnStrategy : IStrategy
    {
        [Range(0, 1, MinimumIsExclusive = true)]
        public double Decay { get; init; } = 0.5;

        public double Computed => Decay * 2;

        public UpdateLayout Layout(ModelSchema schema) => UpdateLayout.ForModel(schema);

        public ClientTask Plan(RoundContext round, ClientDescriptor client) => round.StandardTask;

        public IClientAlgorithm CreateClientAlgorithm(ClientTask task) => new LocalTraining();

        public void Apply(UpdateSum sum, RoundContext round, ServerState state) => throw new NotSupportedException();
    }

    private sealed record OwnLoss : LossSpec
    {
        public override IReadOnlyList<LossMetric> Metrics => [];

        public override LabelPlan Plan(Shape output) => new(1, 0);
    }
}
