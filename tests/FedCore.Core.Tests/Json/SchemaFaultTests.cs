using System.Text.Json.Nodes;
using FedCore.Json;
using FedCore.Rounds;

namespace FedCore.Core.Tests.Json;

/// <summary>What is wrong with a file is said with its place, what stands there and what may.</summary>
public class SchemaFaultTests
{
    public static TheoryData<string, string> Faults => new()
    {
        // Keys that are not known.
        { "strategy.mue=1", "strategy.mue is not known. Did you mean \"mu\"? Known here: " },
        { "trainig={}", "trainig is not known. Did you mean \"training\"? Known here: " },
        { "training.LearningRate=1", "training.LearningRate is not known. Did you mean \"learningRate\"?" },
        { "rounds.zebra=1", "rounds.zebra is not known. Known here: count, " },
        { "model.layers[0].size=1", "model.layers[0].size is not known." },
        { "evaluation.cohort.size=1", "evaluation.cohort.size is not known." },
        { "simulation={}", "simulation is not known." },

        // Wrong types.
        { "name=5", "name is 5: it must be a text." },
        { "rounds.count=\"5\"", "rounds.count is \"5\": it must be a whole number." },
        { "rounds.count=5.5", "rounds.count is 5.5: it must be a whole number." },
        { "rounds.count=1e2", "rounds.count is 1e2: it must be a whole number." },
        { "training.learningRate=true", "training.learningRate is true: it must be a number." },
        { "training.optimizer.nesterov=1", "training.optimizer.nesterov is 1: it must be true or false." },
        { "model.input=4", "model.input is 4: it must be a list." },
        { "model.input=[\"4\"]", "model.input[0] is \"4\": it must be a whole number." },
        { "model=[]", "model is []: it must be an object." },
        { "strategy=\"fedavg\"", "strategy is \"fedavg\": it must be an object with a \"type\", one of: fedavg, " },

        // Null where it may not be.
        { "name=null", "name is null: it must be a text." },
        { "rounds.count=null", "rounds.count is null: it must be a whole number." },
        { "strategy=null", "strategy is null: it must be an object with a \"type\"" },
        { "rounds.cohort=null", "rounds.cohort is null: it must be an object with a \"type\"" },
        { "model.layers[0]={\"type\":\"residual\",\"layers\":[{\"type\":\"lstm\",\"units\":0}]}", "model.layers[0].layers[0].units is 0: it must be at least 1" },
        { "model.layers[0]={\"type\":\"residual\",\"layers\":[]}", "model.layers[0].layers has 0 entries: it needs at least 1." },
        { "model.layers[0]=null", "model.layers[0] is null: it must be an object with a \"type\"" },
        { "evaluation=null", "evaluation is null: it must be an object." },

        // Limits, inclusive and exclusive.
        { "rounds.count=0", "rounds.count is 0: it must be at least 1 and at most 10000000." },
        { "rounds.count=10000001", "rounds.count is 10000001: it must be at least 1 and at most 10000000." },
        { "training.learningRate=0", "training.learningRate is 0: it must be above 0." },
        { "training.optimizer.momentum=1", "training.optimizer.momentum is 1: it must be at least 0 and below 1. The default is 0." },
        { "training.optimizer.momentum=-0.1", "training.optimizer.momentum is -0.1: it must be at least 0 and below 1. The default is 0." },
        { "model.layers[1].rate=1.0", "model.layers[1].rate is 1.0: it must be at least 0 and below 1. The default is 0.5." },
        { "strategy.mu=-1", "strategy.mu is -1: it must be at least 0. The default is 0.01. The paper tries 0.001, 0.01, 0.1 and 1." },
        {
            "strategy.server={\"type\":\"adam\",\"beta1\":1}",
            "strategy.server.beta1 is 1: it must be at least 0 and below 1. The default is 0.9. The paper's default is 0.9; with adagrad it is 0."
        },
        {
            "evaluation.fineTune={\"epochs\":0}",
            "evaluation.fineTune.epochs is 0: it must be at least 1 and at most 1000000."
        },
        { "training.clipNorm=0", "training.clipNorm is 0: it must be above 0." },
        { "evaluation.splits=[]", "evaluation.splits has 0 entries: it needs at least 1." },
        { "model.input=[1,2,3,4]", "model.input has 4 entries: it may have at most 3." },
        { "name=\"\"", "name is \"\": it must be at least 1 character long." },

        // Names of types.
        { "strategy.type=fedprx", "strategy.type is \"fedprx\", which is not known. Did you mean \"fedprox\"? Known: fedavg, " },
        { "model.layers[0].type=zebra", "model.layers[0].type is \"zebra\", which is not known. Known: attention, averagePool2d, batchNorm, " },
        { "strategy.type=1", "strategy.type is 1, which is not known. Known: " },
        { "strategy={}", "strategy has no \"type\". Add one of: fedavg, " },
        { "strategy={\"mu\":1}", "strategy has no \"type\". Add one of: " },
        { "evaluation.cohort.type=unifrm", "evaluation.cohort.type is \"unifrm\", which is not known. Did you mean \"uniform\"?" },
        { "evaluation.splits=[\"tset\"]", "evaluation.splits[0] is \"tset\": it must be one of \"test\", \"train\"." },
        { "training.weightBy=0", "training.weightBy is 0: it must be" },

        // What must be there.
        { "model.loss={\"type\":\"softmaxCrossEntropy\",\"x\":1}", "model.loss.x is not known." },
        { "model.layers[0]={\"type\":\"linear\"}", "model.layers[0] has no \"outputs\", which it needs. Add it." },
        { "rounds={}", "rounds has no \"count\", which it needs. Add it." },
        { "stop={}", "stop has no \"metric\", which it needs. Add it." },
    };

    public static TheoryData<string> Required => ["name", "model", "strategy", "training", "rounds"];

    [Theory]
    [MemberData(nameof(Faults))]
    public void A_file_is_refused_with_place_value_and_remedy(string assignment, string message) =>
        Assert.StartsWith("run.json: " + message, RunFiles.Refusal(assignment), StringComparison.Ordinal);

    [Theory]
    [MemberData(nameof(Required))]
    public void A_file_without_a_required_key_is_refused(string key)
    {
        JsonObject document = JsonDocuments.Parse(RunFiles.Sound, "run.json");
        document.Remove(key);
        var fault = Assert.Throws<FedCoreException>(() => JsonDocuments.Read<RunDefinition>(document, RunFiles.Names, "run.json"));
        Assert.Equal($"run.json: The file has no \"{key}\", which it needs. Add it.", fault.Message);
    }

    [Theory]
    [InlineData("rounds.deadlineSeconds=null")]
    [InlineData("evaluation.cohort=null")]
    [InlineData("stop=null")]
    [InlineData("training.epochs=null")]
    [InlineData("training.schedule=null")]
    [InlineData("description=null")]
    [InlineData("rounds.count=1")]
    [InlineData("rounds.count=10000000")]
    [InlineData("training.optimizer.momentum=0")]
    [InlineData("training.learningRate=1e-300")]
    [InlineData("training.learningRate=5")]
    [InlineData("training.schedule={\"type\":\"cosine\",\"warmUp\":3}")]
    [InlineData("seed=-9223372036854775808")]
    public void A_file_within_its_limits_is_read(string assignment) => Assert.Equal("small", RunFiles.Read(assignment).Name);

    [Theory]
    [InlineData("seed=9223372036854775808", "seed is 9223372036854775808: it must be a whole number from -9223372036854775808 to 9223372036854775807.")]
    [InlineData("seed=-9223372036854775809", "seed is -9223372036854775809: it must be a whole number from -9223372036854775808 to ")]
    [InlineData("rounds.minimumReports=3000000000", "rounds.minimumReports is 3000000000: it must be a whole number from -2147483648 to 2147483647.")]
    [InlineData("model.input=[4,99999999999]", "model.input[1] is 99999999999: it must be a whole number from -2147483648 to 2147483647.")]
    [InlineData("training.learningRate=1e400", "training.learningRate is 1e400: it must be from -1.7976931348623157E+308 to 1.7976931348623157E+308.")]
    [InlineData("stop.atLeast=-1e400", "stop.atLeast is -1e400: it must be from -1.7976931348623157E+308 to ")]
    public void A_number_that_no_machine_word_holds_is_refused_with_the_limits(string assignment, string message) =>
        Assert.StartsWith("run.json: " + message, RunFiles.Refusal(assignment), StringComparison.Ordinal);

    [Fact]
    public void What_commands_a_terminal_does_not_reach_it()
    {
        Assert.StartsWith("run.json: rounds.count is \"\\u001B[2J\": ", RunFiles.Refusal("rounds.count=\"\\u001b[2J\""), StringComparison.Ordinal);
        Assert.StartsWith("run.json: a\\u001Bb is not known.", RunFiles.Refusal("a\u001bb=1"), StringComparison.Ordinal);
    }

    [Fact]
    public void A_layer_has_no_empty_name() =>
        Assert.StartsWith("run.json: model.layers[0].name is \"\": it must be at least 1 character long.", RunFiles.Refusal("model.layers[0].name="), StringComparison.Ordinal);

    [Fact]
    public void A_long_value_is_shown_by_its_beginning()
    {
        string message = RunFiles.Refusal($"rounds.count=\"{new string('9', 5000)}\"");
        Assert.InRange(message.Length, 60, 200);
    }
}
