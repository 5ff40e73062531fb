using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using FedCore.Json;
using FedCore.Numerics;
using FedCore.Rounds;

namespace FedCore.Core.Tests.Json;

/// <summary>A run's canonical bytes are what sites approve: they depend on what the file says and on nothing else.</summary>
public class CanonicalBytesTests
{
    [Fact]
    public void Defaults_are_written_in_declared_order_without_white_space()
    {
        RunPlan plan = Plan(JsonDocuments.Parse(
            """
            { "rounds": { "count": 5 }, "strategy": { "type": "fedavg" }, "name": "n", "training": { "learningRate": 0.1 },
              "model": { "layers": [{ "type": "linear", "outputs": 2 }], "input": [4], "loss": { "type": "softmaxCrossEntropy" } } }
            """,
            "f"));
        Assert.Equal(
            """
            {"name":"n","description":null,"seed":0,
            "model":{"input":[4],"layers":[{"type":"linear","outputs":2,"bias":true,"name":null,"local":false}],"loss":{"type":"softmaxCrossEntropy"}},
            "start":null,"data":null,"strategy":{"type":"fedavg","server":{"type":"average","learningRate":1}},"aggregator":{"type":"weightedMean"},"transforms":[],
            "secureAggregation":null,"disclosures":[],
            "training":{"epochs":null,"steps":null,"batchSize":32,"learningRate":0.1,"schedule":null,
            "optimizer":{"type":"sgd","momentum":0,"nesterov":false,"weightDecay":0},"clipNorm":null,"weightBy":"examples","maxExamples":null},
            "rounds":{"count":5,"cohort":{"type":"all"},"overSelection":0,"deadlineSeconds":null,"workPlanning":null,"buffer":null,"minimumReports":null,"maxAbandonedInARow":10},
            "evaluation":{"every":1,"cohort":null,"splits":["test"],"distribution":{"bins":100},"fineTune":null},"stop":null}
            """.ReplaceLineEndings(""),
            Encoding.UTF8.GetString(plan.CanonicalBytes.Span));
    }

    [Fact]
    public void The_hash_is_the_SHA_256_of_the_bytes()
    {
        RunPlan plan = Plan(Document());
        Assert.Equal("sha256:" + Convert.ToHexStringLower(SHA256.HashData(plan.CanonicalBytes.Span)), plan.Hash);
    }

    [Fact]
    public void White_space_comments_and_the_order_of_keys_make_no_difference()
    {
        string hash = Plan(Document()).Hash;
        RandomStream random = Statistics.Stream("order");
        for (int i = 0; i < 20; i++)
        {
            string text = "/* approved */\n" + Shuffled(Document(), random)!.ToJsonString(new JsonSerializerOptions { WriteIndented = i % 2 == 0 });
            Assert.Equal(hash, Plan(JsonDocuments.Parse(text, "f")).Hash);
        }
    }

    [Fact]
    public void Writing_a_default_out_makes_no_difference()
    {
        JsonObject written = Document();
        JsonDocuments.Set(written, "strategy.partialWork=true");
        JsonDocuments.Set(written, "rounds.overSelection=0.0");
        Assert.Equal(Plan(Document()).Hash, Plan(written).Hash);
    }

    [Fact]
    public void The_canonical_bytes_are_their_own_canonical_bytes()
    {
        RunPlan plan = Plan(Document());
        Assert.Equal(plan.Hash, Plan(JsonDocuments.Parse(Encoding.UTF8.GetString(plan.CanonicalBytes.Span), "f")).Hash);
    }

    public static TheoryData<string> Changes =>
    [
        "name=other", "description=d", "seed=1", "model.input=[5]", "model.layers[0].outputs=4", "model.layers[0].bias=false", "model.layers[0].name=l",
        "model.layers[1].rate=0.25", "model.layers[1]={\"type\":\"relu\"}", "model.loss.type=meanSquaredError", "start={\"path\":\"p\"}", "strategy.mu=0.2",
        "strategy.partialWork=false", "strategy.server={\"type\":\"average\",\"learningRate\":0.5}", "strategy={\"type\":\"fedavg\"}", "training.epochs=3", "training.batchSize=9",
        "training.learningRate=0.10000000000000002", "training.schedule={\"type\":\"step\"}", "training.optimizer.momentum=0.8",
        "training.optimizer.nesterov=true", "training.optimizer.weightDecay=1e-300", "training.optimizer={\"type\":\"adam\"}", "training.clipNorm=1",
        "training.weightBy=uniform", "training.maxExamples=7", "rounds.count=6", "rounds.cohort.size=4", "rounds.cohort={\"type\":\"poisson\"}",
        "rounds.overSelection=0.5", "rounds.deadlineSeconds=1", "rounds.minimumReports=1", "rounds.maxAbandonedInARow=11", "evaluation.every=2",
        "evaluation.cohort=null", "evaluation.splits=[\"test\",\"train\"]", "stop.atLeast=0.95", "stop.atMost=0.1", "stop.metric=loss", "stop=null",
    ];

    [Theory]
    [MemberData(nameof(Changes))]
    public void Every_value_changes_the_hash(string assignment)
    {
        JsonObject changed = Document();
        JsonDocuments.Set(changed, assignment);
        if (assignment.EndsWith("meanSquaredError", StringComparison.Ordinal)) JsonDocuments.Set(changed, "stop.metric=loss");
        Assert.NotEqual(Plan(Document()).Hash, Plan(changed).Hash);
    }

    private static JsonObject Document() => JsonDocuments.Parse(RunFiles.Sound, "f");

    private static RunPlan Plan(JsonObject document) => RunPlan.Create(JsonDocuments.Read<RunDefinition>(document, RunFiles.Names, "f"), RunFiles.Names);

    private static JsonNode? Shuffled(JsonNode? node, RandomStream random)
    {
        if (node is JsonArray list) return new JsonArray([.. list.Select(entry => Shuffled(entry, random))]);
        if (node is not JsonObject map) return node?.DeepClone();
        KeyValuePair<string, JsonNode?>[] pairs = [.. map.Select(pair => KeyValuePair.Create(pair.Key, Shuffled(pair.Value, random)))];
        random.Shuffle<KeyValuePair<string, JsonNode?>>(pairs);
        return new JsonObject(pairs);
    }
}
