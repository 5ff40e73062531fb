using FedCore.Core.Tests.Json;
using FedCore.Rounds;

namespace FedCore.Core.Tests.Rounds;

/// <summary>What does not go together is refused when a run is defined, with the reason.</summary>
public class RunCompositionTests
{
    private const string Buffered = "rounds.buffer={\"size\":2}", Secure = "secureAggregation={}", Bounded = "training.maxExamples=100";

    public static TheoryData<string[], string[]> Refused => new()
    {
        { [Buffered, "rounds.deadlineSeconds=10"], ["rounds.deadlineSeconds", "maxStaleness"] },
        { [Buffered, "rounds.overSelection=0.3"], ["rounds.overSelection"] },
        { [Buffered, "rounds.cohort={\"type\":\"poisson\"}"], ["uniform cohort"] },
        { [Buffered, "strategy={\"type\":\"scaffold\"}"], ["same state of the server", "fedavg"] },
        { [Buffered, "strategy={\"type\":\"feddyn\"}"], ["same state of the server"] },
        { [Buffered, Secure], ["secureAggregation", "staleness"] },
        { [Secure, "disclosures=[\"individualUpdates\"]"], ["sums and nothing else", "individualUpdates"] },
        { [Secure, "disclosures=[\"clientMetrics\"]"], ["clientMetrics"] },
        { ["secureAggregation={\"minimumCohort\":5}", "rounds.minimumReports=4"], ["minimumCohort is 5", "4 reports"] },
        { ["aggregator={\"type\":\"krum\"}"], ["compares the updates of single clients", "\"disclosures\": [\"individualUpdates\"]"] },
        { [Secure, "aggregator={\"type\":\"krum\"}"], ["sums and nothing else", "aggregator krum compares the updates", "weightedMean"] },
        { [Secure, "aggregator={\"type\":\"median\"}", "disclosures=[\"individualUpdates\"]"], ["sums and nothing else", "weightedMean"] },
        { ["transforms=[{\"type\":\"int8\"},{\"type\":\"topK\"}]"], ["at most one that chooses numbers and then"] },
        { ["transforms=[{\"type\":\"int8\"},{\"type\":\"int4\"}]"], ["at most one"] },
        { ["transforms=[{\"type\":\"topK\"},{\"type\":\"randomK\"}]"], ["at most one"] },
        { ["transforms=[{\"type\":\"topK\"}]", "strategy={\"type\":\"scaffold\"}"], ["transforms: topK leaves numbers of the update out", "strategy scaffold", "int8"] },
        { ["transforms=[{\"type\":\"randomK\"}]", "strategy={\"type\":\"feddyn\"}"], ["transforms: randomK leaves numbers of the update out"] },
        { ["aggregator={\"type\":\"median\"}", "disclosures=[\"individualUpdates\"]", "transforms=[{\"type\":\"topK\"}]"], ["aggregator median", "with transforms: topK each client sends other numbers", "randomK"] },
        { ["aggregator={\"type\":\"median\"}", "disclosures=[\"individualUpdates\"]", "strategy={\"type\":\"feddyn\"}"], ["aggregator median", "clients of strategy feddyn", "must have the mean of", "weightedMean"] },
        { [Buffered, "rounds.workPlanning={}", "rounds.deadlineSeconds=60"], ["rounds.workPlanning and rounds.deadlineSeconds out"] },
        { ["aggregator={\"type\":\"bulyan\",\"share\":0.25}", "disclosures=[\"individualUpdates\"]"], ["aggregator bulyan", "no number n of updates meets"] },
        { [Buffered, "transforms=[{\"type\":\"topK\"}]"], ["transforms: topK keeps at the client", "errorFeedback"] },
        { [Buffered, "model.layers=[{\"type\":\"linear\",\"outputs\":4},{\"type\":\"linear\",\"outputs\":3,\"local\":true}]"], ["layers that are local", "rounds.buffer"] },
        { [Secure, "transforms=[{\"type\":\"topK\"}]"], ["sums and nothing else", "cannot be summed", "randomK"] },
        { [Secure, "transforms=[{\"type\":\"int4\"}]"], ["transforms: int4", "cannot be summed"] },
        { [Secure, "transforms=[{\"type\":\"randomK\"},{\"type\":\"int8\"}]"], ["cannot be summed"] },
        { [Secure, Bounded, "rounds.workPlanning={}", "rounds.deadlineSeconds=60"], ["sums and nothing else", "rounds.workPlanning gives each client other work"] },
        { [Secure], ["weights that have a bound", "training.maxExamples is not set", "such as 1000"] },
        { ["rounds.workPlanning={}"], ["rounds.deadlineSeconds is not set"] },
        { ["disclosures=[\"timing\",\"timing\"]"], ["names one twice"] },
    };

    [Theory]
    [MemberData(nameof(Refused))]
    public void Parts_that_exclude_each_other_are_refused_with_the_reason(string[] assignments, string[] words)
    {
        var fault = Assert.Throws<FedCoreException>(() => RunPlan.Create(RunFiles.Read(assignments), RunFiles.Names));
        Assert.Equal("run.composition", fault.Code);
        Assert.All(words, word => Assert.Contains(word, fault.Message, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(Buffered, "rounds.cohort={\"type\":\"all\"}")]
    [InlineData(Buffered, "strategy={\"type\":\"fednova\"}")]
    [InlineData(Secure, "strategy={\"type\":\"feddyn\"}")]
    [InlineData(Secure, Bounded, "disclosures=[\"timing\"]")]
    [InlineData(Secure, "training.weightBy=uniform", "transforms=[{\"type\":\"randomK\"}]")]
    [InlineData(Secure, "strategy={\"type\":\"qfedavg\"}")]
    [InlineData(Buffered, "transforms=[{\"type\":\"topK\",\"errorFeedback\":false},{\"type\":\"int8\"}]")]
    [InlineData("transforms=[{\"type\":\"int4\"}]", "strategy={\"type\":\"fednova\"}")]
    [InlineData("transforms=[{\"type\":\"randomK\"}]", "aggregator={\"type\":\"krum\"}", "disclosures=[\"individualUpdates\"]")]
    public void Parts_that_go_together_make_a_run(params string[] assignments) => Assert.NotNull(RunPlan.Create(RunFiles.Read(assignments), RunFiles.Names));

    [Theory]
    [InlineData("{\"type\":\"bulyan\",\"byzantine\":2}", 10, "aggregator bulyan cannot be used here: it needs n >= 4f + 3: with f = 2 that is n >= 11, but n is 10, which a round wants.")]
    [InlineData("{\"type\":\"krum\",\"byzantine\":4}", 10, "it needs n > 2f + 2: with f = 4 that is n >= 11, but n is 10")]
    [InlineData("{\"type\":\"trimmedMean\",\"byzantine\":5}", 10, "it needs n > 2f: with f = 5 that is n >= 11, but n is 10")]
    public void A_rule_with_too_few_clients_is_refused_by_the_inequality_that_fails(string aggregator, int clients, string message)
    {
        RunPlan plan = RunPlan.Create(RunFiles.Read("rounds.cohort={\"type\":\"all\"}", $"aggregator={aggregator}", "disclosures=[\"individualUpdates\"]"), RunFiles.Names);
        var fault = Assert.Throws<FedCoreException>(() => plan.CheckPopulation(clients));
        Assert.Equal("run.aggregator", fault.Code);
        Assert.Contains(message, fault.Message, StringComparison.Ordinal);
        plan.CheckPopulation(11);
    }

    [Fact]
    public void A_rule_must_go_with_the_fewest_reports_that_a_round_may_close_with()
    {
        RunPlan plan = RunPlan.Create(
            RunFiles.Read("rounds.cohort={\"type\":\"all\"}", "rounds.minimumReports=4", "aggregator={\"type\":\"krum\",\"byzantine\":1}", "disclosures=[\"individualUpdates\"]"), RunFiles.Names);
        Assert.Contains("but n is 4, which a round may close with (rounds.minimumReports)", Assert.Throws<FedCoreException>(() => plan.CheckPopulation(10)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void FedDyn_does_not_go_with_what_rounds_updates()
    {
        var fault = Assert.Throws<FedCoreException>(() => RunPlan.Create(RunFiles.Read("strategy={\"type\":\"feddyn\"}", "transforms=[{\"type\":\"int4\"}]"), RunFiles.Names));
        Assert.Equal("run.strategy", fault.Code);
    }

    [Fact]
    public void A_rule_that_counts_all_alike_does_not_go_with_a_strategy_that_counts_by_loss()
    {
        var fault = Assert.Throws<FedCoreException>(() => RunPlan.Create(
            RunFiles.Read("strategy={\"type\":\"qfedavg\"}", "aggregator={\"type\":\"median\"}", "disclosures=[\"individualUpdates\"]"), RunFiles.Names));
        Assert.Equal("run.strategy", fault.Code);
    }

    [Fact]
    public void A_minimum_above_the_buffer_is_refused()
    {
        RunPlan plan = RunPlan.Create(RunFiles.Read(Buffered, "rounds.minimumReports=3"), RunFiles.Names);
        Assert.Equal("run.cohort", Assert.Throws<FedCoreException>(() => plan.CheckPopulation(100)).Code);
    }
}
